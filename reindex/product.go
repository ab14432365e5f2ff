package reindex

import "encoding/json"

// Product is one document of the catalogue.
//
// Many goroutines read a Product at the same time. Neither a [Source], nor the engine, nor an [Indexer] modifies the
// bytes of a Body once it has been passed on.
type Product struct {
	// ID is unique within the tenant. The engine requires 1 to 4096 bytes of valid UTF-8 without control characters; an
	// index may have a lower limit, and then rejects longer ids one by one.
	ID string

	// Body is the product's encoded JSON object. It need not contain the ID. The engine checks that it is valid JSON (RFC
	// 8259, valid UTF-8 included) and an object. An index gets the body without line feeds and carriage returns.
	Body json.RawMessage
}

// productBytes returns the sum of the lengths of the ids and bodies of products.
func productBytes(products []Product) int {
	n := 0
	for _, p := range products {
		n += len(p.ID) + len(p.Body)
	}
	return n
}
