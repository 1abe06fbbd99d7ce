// Command stock keeps stock per item from inventory.movement events, each of them counted once.
//
//	go run . --server nats://127.0.0.1:4222 --stream ERP_ERP1 --state stock.jsonl
//
// How it stays exact: the server remembers what was acknowledged (a durable consumer), a message
// is acknowledged after it is stored, and what comes again is told by ce-idempotencykey, which is
// stored together with what the event did (see ledger.go). Quantities are decimals.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const movements = "erp.*.*.*.inventory.movement.*"

// data is the part of an event this program reads. What it does not know it ignores: schemas grow.
type data struct {
	After  *movement `json:"after"`
	Before *movement `json:"before"` // instead of After: the source removed the row
}

type movement struct {
	Item     string `json:"item"`
	Quantity struct {
		Value string `json:"value"`
		Unit  string `json:"unit"`
	} `json:"quantity"`
	To   *string `json:"to_location"`
	From *string `json:"from_location"`
}

// change is what a movement does to the stock of its item. The quantity of an event is not
// negative: the places tell the direction. Taking a movement back is the movement the other way.
func change(message jetstream.Msg) (Change, error) {
	key := message.Headers().Get("ce-idempotencykey")
	var event data
	if err := json.Unmarshal(message.Data(), &event); err != nil {
		return Change{}, err
	}
	moved := event.After
	if moved == nil {
		moved = event.Before
	}
	if key == "" || moved == nil {
		return Change{}, errors.New("an event without a key, or without after and before")
	}
	quantity, err := ParseDecimal(moved.Quantity.Value)
	if err != nil {
		return Change{}, err
	}
	switch {
	case moved.To != nil && moved.From != nil:
		quantity = Decimal{}
	case moved.From != nil:
		quantity = quantity.Negated()
	}
	if strings.HasSuffix(message.Subject(), ".reversed") {
		quantity = quantity.Negated()
	}
	return Change{key, moved.Item, moved.Quantity.Unit, quantity}, nil
}

func main() {
	server := flag.String("server", nats.DefaultURL, "address of NATS")
	stream := flag.String("stream", "", "the stream of the source: ERP_<SOURCE>")
	durable := flag.String("durable", "stock", "name of the durable consumer")
	state := flag.String("state", "stock.jsonl", "file of the ledger")
	remember := flag.Int("remember", 1_000_000, "how many keys to keep")
	batch := flag.Int("batch", 100, "how many messages to store at once")
	ackWait := flag.Int("ack-wait", 30, "seconds until a message comes again")
	once := flag.Bool("once", false, "end when nothing is left to read")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ledger, err := OpenLedger(*state, *remember)
	if err != nil {
		log.Fatal(err)
	}
	connection, err := nats.Connect(*server)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	consumer, err := durableConsumer(ctx, connection, *stream, jetstream.ConsumerConfig{
		Durable:       *durable,
		FilterSubject: movements,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       time.Duration(*ackWait) * time.Second,
		MaxAckPending: 10 * *batch,
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := follow(ctx, consumer, ledger, *batch, *once); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
	for _, line := range ledger.Stock() {
		fmt.Println("stock", line[0], line[1], line[2])
	}
}

func durableConsumer(
	ctx context.Context, connection *nats.Conn, stream string, config jetstream.ConsumerConfig,
) (jetstream.Consumer, error) {
	js, err := jetstream.New(connection)
	if err != nil {
		return nil, err
	}
	return js.CreateOrUpdateConsumer(ctx, stream, config)
}

func follow(
	ctx context.Context, consumer jetstream.Consumer, ledger *Ledger, batch int, once bool,
) error {
	for ctx.Err() == nil {
		fetched, err := consumer.Fetch(batch, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			return err
		}
		var messages []jetstream.Msg
		var changes []Change
		for message := range fetched.Messages() {
			change, err := change(message)
			if err != nil {
				return fmt.Errorf("%s: %w", message.Subject(), err)
			}
			messages, changes = append(messages, message), append(changes, change)
		}
		if err := fetched.Error(); err != nil {
			return err
		}
		if len(messages) == 0 {
			state, err := consumer.Info(ctx)
			if err != nil {
				return err
			}
			if once && state.NumPending == 0 && state.NumAckPending == 0 {
				return nil
			}
			continue
		}
		fresh, err := ledger.Apply(changes)
		if err != nil {
			return err
		}
		// Stored: only now may the server forget them. An event that cannot be applied ends the
		// program before this line, and is not skipped.
		for _, message := range messages {
			if err := message.Ack(); err != nil {
				return err
			}
		}
		fmt.Printf("stored %d of %d\n", fresh, len(messages))
	}
	return ctx.Err()
}
