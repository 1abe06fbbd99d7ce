// Exact decimals. JavaScript's numbers are binary: 0.1 + 0.2 is not 0.3. A decimal here is a whole
// number of any length and the count of its digits after the point.

export class Decimal {
  static ZERO = new Decimal(0n, 0);

  constructor(digits, places) {
    this.digits = digits;
    this.places = places;
  }

  /** Reads what events carry: `-?digits[.digits]`. */
  static parse(text) {
    const found = /^(-?\d+)(?:\.(\d+))?$/.exec(text);
    if (!found) throw new Error(`not a decimal: ${JSON.stringify(text)}`);
    const [, whole, fraction = ""] = found;
    return new Decimal(BigInt(whole + fraction), fraction.length);
  }

  plus(other) {
    const places = Math.max(this.places, other.places);
    return new Decimal(this.scaled(places) + other.scaled(places), places);
  }

  negated() {
    return new Decimal(-this.digits, this.places);
  }

  scaled(places) {
    return this.digits * 10n ** BigInt(places - this.places);
  }

  toString() {
    if (this.places === 0) return this.digits.toString();
    const sign = this.digits < 0n ? "-" : "";
    const digits = this.digits.toString().replace("-", "").padStart(this.places + 1, "0");
    return `${sign}${digits.slice(0, -this.places)}.${digits.slice(-this.places)}`;
  }
}
