package bleveindex

import (
	"math"
	"strings"
	"sync"

	index "github.com/blevesearch/bleve_index_api"
)

// fieldTerm is a term of a field.
type fieldTerm struct{ field, term string }

func (x *expansion) countAll(term string) (uint64, error) { return x.count(allName, term) }

// count returns the number of documents that have a term in a field. It caches the result.
func (x *expansion) count(field, term string) (uint64, error) {
	if n, ok := x.counts[fieldTerm{field, term}]; ok {
		return n, nil
	}
	terms, err := x.reader.TermFieldReader(x.ctx, []byte(term), field, false, false, false)
	if err != nil {
		return 0, err
	}
	n := terms.Count()
	x.counts[fieldTerm{field, term}] = n
	return n, terms.Close()
}

// idf returns the inverse document frequency of a term that count documents have, by bleve's formula.
func (x *expansion) idf(count uint64) float64 {
	return 1 + math.Log(float64(x.docs)/float64(count+1))
}

type liveKey struct{}

// known loads the fields, synonyms and codec of the searched index. For an index outside of this package it loads only
// the fields.
func (x *expansion) known() (err error) {
	l, ok := x.ctx.Value(liveKey{}).(*liveIndex)
	if !ok {
		x.fields, err = new(fieldCache).of(x.reader)
		return err
	}
	synonyms, err := l.thesaurus()
	if err != nil {
		return err
	}
	if synonyms != nil {
		x.synonyms = synonyms.all
	}
	if x.bodies, err = l.bodies(); err != nil {
		return err
	}
	x.fields, err = l.fields.of(x.reader)
	return err
}

// fieldCache caches the names of an index's fields until the next write to the index.
type fieldCache struct {
	mu     sync.Mutex
	reader index.IndexReader
	fields map[string]bool
}

func (c *fieldCache) of(reader index.IndexReader) (map[string]bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fields != nil && c.reader == reader {
		return c.fields, nil
	}
	names, err := reader.Fields()
	if err != nil {
		return nil, err
	}
	fields := make(map[string]bool, len(names))
	for _, name := range names {
		if !strings.HasPrefix(name, formsName+".") {
			fields[name] = true
		}
	}
	c.reader, c.fields = reader, fields
	return fields, nil
}
