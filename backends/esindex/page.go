package esindex

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/tidwall/gjson"

	"productindex/reindex"
)

// page is the undecoded answer to a search.
type page struct {
	size int // the expected size in bytes; 0: not known
	text string
	err  error
}

// readFrom reads the text of the answer.
func (p *page) readFrom(body io.Reader) error {
	var text strings.Builder // whose String makes no copy
	text.Grow(p.size)
	if _, err := io.Copy(&text, body); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	p.text = text.String()
	return nil
}

// scroll returns the id of the scroll. It is found fast, since it precedes the hits.
func (p *page) scroll() string { return gjson.Get(p.text, "_scroll_id").String() }

// more reports whether another page follows this one, which ends with product number end: this one has products, and
// the search has found more than end.
func (p *page) more(end int64) bool {
	return gjson.Get(p.text, "hits.total.value").Int() > end && gjson.Get(p.text, "hits.hits.0").Exists()
}

// found is a decoded page.
type found struct {
	timedOut           bool
	shards, successful int64
	total              int64 // products in all pages
	products           []reindex.Product
	sourceless         string // the id of a product without _source; empty if there is none
}

// decode decodes the page. With gjson it is several times faster than with encoding/json.
func (p *page) decode() (*found, error) {
	if !gjson.Valid(p.text) {
		if err := decodeAnswer([]byte(p.text), &struct{}{}); err != nil {
			return nil, err
		}
	}
	answer := gjson.Parse(p.text)
	hits, total := answer.Get("hits.hits"), answer.Get("hits.total.value")
	if !hits.IsArray() || total.Type != gjson.Number {
		return nil, errNoHits
	}
	f := &found{
		timedOut: answer.Get("timed_out").Bool(), total: total.Int(),
		shards: answer.Get("_shards.total").Int(), successful: answer.Get("_shards.successful").Int(),
	}
	for _, hit := range hits.All() {
		id, source := hit.Get("_id").String(), hit.Get("_source")
		if !source.Exists() {
			f.sourceless = id
		}
		f.products = append(f.products, reindex.Product{ID: id, Body: json.RawMessage(source.Raw)})
	}
	return f, nil
}

var errNoHits = errors.New("the answer to a search has no hits")
