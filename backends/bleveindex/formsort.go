package bleveindex

import (
	"github.com/blevesearch/bleve/v2/search"

	"productindex/backends/bleveindex/internal/compact"
)

// formSort sorts by forms.
type formSort struct{ *search.SortField }

// UpdateVisitor is called by bleve with what a document is sorted by.
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
