package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// Change is what an event does to the stock of an item.
type Change struct {
	Key, Item, Unit string
	Quantity        Decimal
}

// Ledger is stock, and the keys of the events in it, in one file.
//
// One line per event, with its key and what it does, is written and synced before the event is
// acknowledged: key and effect are on disk together or not at all. When the process starts, it
// reads the lines back; a last line that a crash cut short was not acknowledged, so it is dropped
// and comes again.
//
// Memory and file are bounded: when twice as many keys are held as are to be remembered, the file
// is written anew with the sums and the younger half. A key older than that can only come again
// when a source is read anew from the beginning.
type Ledger struct {
	path     string
	file     *os.File
	remember int
	known    map[string]bool
	order    []string // the same keys, in the order they came
	sums     map[[2]string]Decimal
}

// entry is a line of the file: the keys of some events, and what they did together.
type entry struct {
	Keys []string    `json:"keys"`
	Sums [][3]string `json:"sums"`
}

// OpenLedger opens the file, or makes it.
func OpenLedger(path string, remember int) (*Ledger, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	ledger := &Ledger{path: path, file: file, remember: remember,
		known: map[string]bool{}, sums: map[[2]string]Decimal{}}
	return ledger, errors.Join(ledger.read(), syncDirectory(path))
}

func (l *Ledger) read() error {
	content, err := os.ReadFile(l.path)
	if err != nil {
		return err
	}
	end := bytes.LastIndexByte(content, '\n') + 1
	if err := l.file.Truncate(int64(end)); err != nil {
		return err
	}
	for _, line := range bytes.Split(content[:end], []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		var read entry
		if err := json.Unmarshal(line, &read); err != nil {
			return fmt.Errorf("cannot read %s: %w", l.path, err)
		}
		if err := l.add(read); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) add(read entry) error {
	for _, sum := range read.Sums {
		quantity, err := ParseDecimal(sum[2])
		if err != nil {
			return err
		}
		name := [2]string{sum[0], sum[1]}
		l.sums[name] = l.sums[name].Plus(quantity)
	}
	for _, key := range read.Keys {
		l.known[key] = true
		l.order = append(l.order, key)
	}
	return nil
}

// Apply stores a batch and returns how many of it were new. After an error nothing of it may be
// acknowledged, and the ledger must be opened anew.
func (l *Ledger) Apply(changes []Change) (int, error) {
	lines := bufio.NewWriter(l.file)
	fresh := 0
	for _, change := range changes {
		if l.known[change.Key] {
			continue
		}
		fresh++
		written := entry{Keys: []string{change.Key},
			Sums: [][3]string{{change.Item, change.Unit, change.Quantity.String()}}}
		if err := json.NewEncoder(lines).Encode(written); err != nil {
			return 0, err
		}
		if err := l.add(written); err != nil {
			return 0, err
		}
	}
	if err := errors.Join(lines.Flush(), l.file.Sync()); err != nil {
		return 0, err
	}
	if len(l.order) >= 2*l.remember {
		return fresh, l.compact()
	}
	return fresh, nil
}

func (l *Ledger) compact() error {
	forgotten := len(l.order) - l.remember
	for _, key := range l.order[:forgotten] {
		delete(l.known, key)
	}
	l.order = append([]string(nil), l.order[forgotten:]...)
	file, err := os.OpenFile(l.path+".new", os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	err = errors.Join(json.NewEncoder(file).Encode(entry{l.order, l.Stock()}), file.Sync())
	if err != nil {
		return err
	}
	if err := errors.Join(os.Rename(l.path+".new", l.path), syncDirectory(l.path)); err != nil {
		return err
	}
	old := l.file
	l.file = file
	return old.Close()
}

// Stock is item, unit and quantity, sorted.
func (l *Ledger) Stock() [][3]string {
	stock := make([][3]string, 0, len(l.sums))
	for name, sum := range l.sums {
		stock = append(stock, [3]string{name[0], name[1], sum.String()})
	}
	sort.Slice(stock, func(i, j int) bool {
		return stock[i][0]+"\x00"+stock[i][1] < stock[j][0]+"\x00"+stock[j][1]
	})
	return stock
}

// syncDirectory makes a new name of a file last: it is on disk when its directory is.
func syncDirectory(path string) error {
	directory, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
