package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// The limits of the contract for pages.
const (
	defaultPageSize = 60
	maxPageSize     = 2000
	maxPageNumber   = 1<<31 - 1
)

// page is the requested part of a list.
type page struct {
	number int // from 1
	size   int // 1 to maxPageSize
}

// offset is the number of items before the page.
func (p page) offset() int { return (p.number - 1) * p.size }

// parsePage reads the parameters of a page.
func parsePage(values url.Values) (p page, err error) {
	if p.number, err = intParameter(values, "pageNumber", 1, maxPageNumber); err != nil {
		return p, err
	}
	p.size, err = intParameter(values, "pageSize", defaultPageSize, maxPageSize)
	return p, err
}

// wantsTotal reports whether a request asks for the number of all items.
func wantsTotal(header http.Header) bool {
	return strings.EqualFold(header.Get("X-Total-Count"), "true")
}
