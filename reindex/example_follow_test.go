package reindex_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// message is a message of a host's queue. The queue sends it again until it is acknowledged.
type message struct {
	tenant, id string
	body       json.RawMessage // nil: the product was deleted
	ack        func()
}

// A host passes the changes of a queue to Update. It acknowledges a change that was accepted, and one that can never be
// accepted.
func ExampleEngine_Update() {
	ctx := context.Background()
	index := reindextest.NewMemory()
	engine, err := reindex.New(socks, index, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(ctx, "acme"); err != nil {
		fmt.Println(err)
		return
	}
	follow := func(messages <-chan message) {
		for m := range messages {
			err := engine.Update(ctx, m.tenant, reindex.Change{ID: m.id, Body: m.body, Delete: m.body == nil})
			if refused, ok := errors.AsType[*reindex.BatchError](err); ok {
				log.Println(m.tenant, refused) // the change can never be accepted
			} else if err != nil {
				log.Println(m.tenant, err) // the queue sends it again
				continue
			}
			m.ack()
		}
	}
	messages := make(chan message, 3)
	acked := 0
	for _, m := range []message{
		{id: "wool", body: json.RawMessage(`{"name":"warm wool socks"}`)}, {id: "cotton"},
		{id: "silk", body: json.RawMessage(`{"name":"silk socks"}`)},
	} {
		m.tenant, m.ack = "acme", func() { acked++ }
		messages <- m
	}
	close(messages)
	follow(messages)
	fmt.Println(acked, "acknowledged,", len(index.Documents("acme")), "products,", string(index.Documents("acme")["wool"]))
	// Output: 3 acknowledged, 3 products, {"name":"warm wool socks"}
}
