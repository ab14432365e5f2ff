package reindex_test

import (
	"context"
	"encoding/json"
	"fmt"

	"productindex/reindex"
	"productindex/reindex/reindextest"
)

// A rollback undoes a bad reindex and keeps the changes made since. The index must keep a generation; see KeepPrevious
// in the Config of each index.
func ExampleEngine_Rollback() {
	ctx, memory := context.Background(), reindextest.NewMemory()
	memory.KeepPrevious = 1
	catalogues := map[string][]reindex.Product{"acme": {
		{ID: "wool", Body: json.RawMessage(`{"price":12}`)},
		{ID: "cotton", Body: json.RawMessage(`{"price":8}`)},
	}}
	engine, err := reindex.New(shop(catalogues), memory, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := engine.Run(ctx, "acme"); err != nil {
		fmt.Println(err)
		return
	}

	catalogues["acme"] = []reindex.Product{
		{ID: "wool", Body: json.RawMessage(`{"price":1200}`)}, // the prices are in cents by mistake
		{ID: "cotton", Body: json.RawMessage(`{"price":800}`)},
	}
	if _, err := engine.Run(ctx, "acme"); err != nil {
		fmt.Println(err)
		return
	}
	cotton := reindex.Change{ID: "cotton", Body: json.RawMessage(`{"price":9}`)}
	if err := engine.Update(ctx, "acme", cotton); err != nil {
		fmt.Println(err)
		return
	}

	if _, err := engine.Rollback(ctx, "acme"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("wool", string(memory.Documents("acme")["wool"]))
	fmt.Println("cotton", string(memory.Documents("acme")["cotton"]))
	// Output:
	// wool {"price":12}
	// cotton {"price":9}
}

// The live generation comes first. The others are those to which a rollback can go back by name.
func ExampleEngine_Generations() {
	ctx, memory := context.Background(), reindextest.NewMemory()
	memory.KeepPrevious = 2
	engine, err := reindex.New(socks, memory, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 3 {
		if _, err := engine.Run(ctx, "acme"); err != nil {
			fmt.Println(err)
			return
		}
	}
	generations, err := engine.Generations(ctx, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	oldest := generations[len(generations)-1].Name
	if _, err := engine.RunWith(ctx, "acme", reindex.Options{Rollback: true, Generation: oldest}); err != nil {
		fmt.Println(err)
		return
	}
	after, err := engine.Generations(ctx, "acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(generations), "generations, the oldest one is live again:", after[0].Name == oldest)
	// Output: 3 generations, the oldest one is live again: true
}
