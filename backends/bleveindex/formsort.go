package bleveindex

import (
	"github.com/blevesearch/bleve/v2/search"

	"productindex/backends/bleveindex/internal/compact"
)

// formSort sorts by keyword forms. It ignores the term that marks a field with forms.
type formSort struct{ *search.SortField }

// UpdateVisitor adds a term by which a document is sorted. bleve calls it.
func (s formSort) UpdateVisitor(field string, term []byte) {
	if string(term) != compact.FormTerm {
		s.SortField.UpdateVisitor(field, term)
	}
}

// Copy returns an order with a state of its own.
func (s formSort) Copy() search.SearchSort {
	own := *s.SortField
	return formSort{&own}
}
