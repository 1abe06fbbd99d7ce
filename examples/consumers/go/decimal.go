package main

import (
	"fmt"
	"math/big"
	"regexp"
	"strings"
)

// Decimal is an exact decimal: a whole number of any length and the count of its digits after the
// point. A float64 cannot hold 0.1.
type Decimal struct {
	digits *big.Int // nil is zero
	places int
}

var decimalText = regexp.MustCompile(`^(-?[0-9]+)(?:\.([0-9]+))?$`)

// ParseDecimal reads what events carry: -?digits[.digits].
func ParseDecimal(text string) (Decimal, error) {
	found := decimalText.FindStringSubmatch(text)
	if found == nil {
		return Decimal{}, fmt.Errorf("not a decimal: %q", text)
	}
	digits, _ := new(big.Int).SetString(found[1]+found[2], 10)
	return Decimal{digits, len(found[2])}, nil
}

// Plus adds without rounding.
func (d Decimal) Plus(other Decimal) Decimal {
	places := max(d.places, other.places)
	return Decimal{new(big.Int).Add(d.scaled(places), other.scaled(places)), places}
}

// Negated turns the sign.
func (d Decimal) Negated() Decimal {
	return Decimal{new(big.Int).Neg(d.scaled(d.places)), d.places}
}

func (d Decimal) scaled(places int) *big.Int {
	if d.digits == nil {
		return new(big.Int)
	}
	factor := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places-d.places)), nil)
	return factor.Mul(factor, d.digits)
}

func (d Decimal) String() string {
	whole := d.scaled(d.places)
	if d.places == 0 {
		return whole.String()
	}
	sign := ""
	if whole.Sign() < 0 {
		sign = "-"
	}
	digits := new(big.Int).Abs(whole).String()
	if missing := d.places + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - d.places
	return sign + digits[:point] + "." + digits[point:]
}
