package meiliindex

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"productindex/reindex"
)

// document is one product on its way: its id, its key, and the line of NDJSON that it becomes.
type document struct {
	id, key string
	line    []byte
}

// encode makes documents of products, whose lines follow each other in body. Those that cannot become one are returned
// with the reason.
func (ix *Index) encode(products []reindex.Product) (documents []document, body []byte, failed []reindex.ItemError) {
	attribute := ix.cfg.KeyAttribute
	size := 0
	for _, p := range products {
		size += len(p.Body) + len(attribute) + len(p.ID)*4/3 + 12
	}
	body = make([]byte, 0, size) // large enough: the lines stay where they are
	for _, p := range products {
		var err error
		key := encodeName(p.ID)
		switch {
		case len(key) > MaxKeyBytes:
			err = errTooLong(p.ID, key)
		case hasMember(p.Body, attribute):
			err = fmt.Errorf("the product has an attribute %q of its own, which the index needs: set another KeyAttribute",
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

// appendDocument appends a body with one more member at its end, and a line feed. Of two members of one name the server
// takes the last, so that the key is always ours, however a product spells its own.
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

// hasMember reports whether a JSON object has a member of that name, as it is spelled, at its top.
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

// payload puts the lines of documents together.
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

// distinct counts the different keys.
func distinct(documents []document) int64 {
	keys := make(map[string]struct{}, len(documents))
	for _, d := range documents {
		keys[d.key] = struct{}{}
	}
	return int64(len(keys))
}
