package meiliindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"productindex/reindex"
)

// document is a product ready to be sent: its id, its key, and its line of NDJSON.
type document struct {
	id, key string
	line    []byte
}

// encode returns the documents of the products, whose concatenated lines are body. The products that cannot become a
// document are in failed, with the reason.
func (ix *Index) encode(products []reindex.Product) (documents []document, body []byte, failed []reindex.ItemError) {
	attribute := ix.cfg.KeyAttribute
	size := 0
	for _, p := range products {
		size += len(p.Body) + len(attribute) + len(p.ID)*4/3 + 12
	}
	body = make([]byte, 0, size) // large enough: the documents refer to it, so it must not be reallocated
	for _, p := range products {
		var err error
		key := encodeName(p.ID)
		switch {
		case len(key) > MaxKeyBytes:
			err = errTooLong(p.ID, key)
		case hasMember(p.Body, attribute):
			err = fmt.Errorf("the product has an attribute %q, which is reserved for the primary key; set another "+
				"Config.KeyAttribute",
				attribute)
		}
		start := len(body)
		if err == nil {
			body, err = appendDocument(body, p.Body, attribute, key)
		}
		if err != nil {
			failed = append(failed, reindex.ItemError{ID: p.ID, Err: err})
			continue
		}
		documents = append(documents, document{p.ID, key, body[start:len(body):len(body)]})
	}
	return documents, body, failed
}

// appendDocument appends the body with the key as an additional last member, and a line feed. Of two members with the
// same name the server uses the last, so the key is right even if a product spells the name of its own with escapes.
func appendDocument(buf, body []byte, attribute, key string) ([]byte, error) {
	body = bytes.TrimSpace(body)
	if len(body) < 2 || body[0] != '{' || body[len(body)-1] != '}' {
		return buf, errors.New("the body is not a JSON object")
	}
	members := bytes.TrimSpace(body[1 : len(body)-1])
	buf = append(buf, '{')
	buf = append(buf, members...)
	if len(members) > 0 {
		buf = append(buf, ',')
	}
	buf = append(buf, '"')
	buf = append(buf, attribute...)
	buf = append(buf, `":"`...)
	buf = append(buf, key...)
	return append(buf, '"', '}', '\n'), nil
}

// hasMember reports whether a JSON object has a member of that name, spelled without escapes, at its top level.
func hasMember(body []byte, name string) bool {
	if !bytes.Contains(body, []byte(`"`+name+`"`)) {
		return false
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return false
	}
	_, ok := members[name]
	return ok
}

// payload returns the concatenated lines of the documents.
func payload(documents []document) []byte {
	size := 0
	for _, d := range documents {
		size += len(d.line)
	}
	out := make([]byte, 0, size)
	for _, d := range documents {
		out = append(out, d.line...)
	}
	return out
}

// distinct returns the number of different keys.
func distinct(documents []document) int64 {
	keys := make(map[string]struct{}, len(documents))
	for _, d := range documents {
		keys[d.key] = struct{}{}
	}
	return int64(len(keys))
}
