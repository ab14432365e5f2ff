package reindex

import "encoding/json"

// Product is one document of the catalogue.
//
// A Product is a value that many goroutines read: neither a [Source], nor the engine, nor an [Indexer] changes the
// bytes of a Body once it has been handed over.
type Product struct {
	// ID is unique within the tenant. The engine requires 1 to 4096 bytes of valid UTF-8 without control characters; an
	// index may take less and rejects the others one by one.
	ID string

	// Body is the product's JSON object, encoded once. It need not hold the ID. The engine checks that it is valid JSON
	// (RFC 8259, valid UTF-8 included) and an object, and hands indexes bodies of one line, with neither a line feed nor a
	// carriage return.
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
