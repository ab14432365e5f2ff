package meilitest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

var fetchNames = []string{"offset", "limit", "fields", "retrieveVectors", "ids", "filter", "sort", "useNetwork"}

// selection is what GET documents and POST documents/fetch ask for.
type selection struct {
	offset, limit     int
	fields, ids, sort []string
	someFields        bool
	someIDs           bool
	filter            any
}

func (c *call) listDocuments() (answer, error) {
	if err := c.checkParams(fetchNames...); err != nil {
		return answer{}, err
	}
	var sel selection
	var err1, err2 error
	sel.offset, err1 = c.number("offset", "invalid_document_offset", 0)
	sel.limit, err2 = c.number("limit", "invalid_document_limit", 20)
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, err
	}
	sel.fields, sel.someFields = c.list("fields")
	sel.ids, sel.someIDs = c.list("ids")
	sel.sort, _ = c.list("sort")
	if filter, given := c.param("filter"); given {
		sel.filter = filter
	}
	return c.selectDocuments(sel)
}

func (c *call) fetchDocuments() (answer, error) {
	body, err := c.object(fetchNames...)
	if err != nil {
		return answer{}, err
	}
	var sel selection
	var err1, err2, err3, err4 error
	sel.offset, err1 = count(body, "offset", "invalid_document_offset", 0)
	sel.limit, err2 = count(body, "limit", "invalid_document_limit", 20)
	sel.fields, sel.someFields, err3 = texts(body, "fields", "invalid_document_fields")
	sel.sort, _, err4 = texts(body, "sort", "invalid_document_sort")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return answer{}, err
	}
	sel.filter, _ = body.get("filter")
	if v, there := body.get("ids"); there {
		sel.someIDs = true
		list, _ := v.([]any)
		for i, e := range list {
			id := idOf(e)
			if !validDocumentID(id) {
				return answer{}, badRequest("invalid_document_ids", "In `.ids[%d]`: Document identifier `%s` %s", i, encode(e), idRule)
			}
			sel.ids = append(sel.ids, id)
		}
	}
	return c.selectDocuments(sel)
}

func (c *call) selectDocuments(sel selection) (answer, error) {
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	keep, failed := ix.conditions(sel.filter)
	if failed != nil {
		return answer{}, failed
	}
	var found []*object
	for _, d := range ix.documents() {
		if keep(d) && (!sel.someIDs || slices.Contains(sel.ids, idOf(d.values[ix.primaryKey]))) {
			found = append(found, d)
		}
	}
	if err := ix.sort(found, sel.sort, "invalid_document_sort", "", ", "); err != nil {
		return answer{}, err
	}
	results := page(found, sel.offset, sel.limit)
	if sel.someFields && !slices.Contains(sel.fields, "*") {
		for i, d := range results {
			results[i] = pick(d, func(name string) bool { return slices.Contains(sel.fields, name) })
		}
	}
	return ok(newObject("results", list(results), "offset", sel.offset, "limit", sel.limit, "total", len(found)))
}

func (c *call) getDocument() (answer, error) {
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	id := c.params[1]
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && strconv.FormatInt(n, 10) != id && !strings.HasPrefix(id, "0") {
		id = strconv.FormatInt(n, 10)
	}
	at, there := ix.places[id]
	if !there {
		return answer{}, invalid(http.StatusNotFound, "document_not_found", "Document `%s` not found.", c.params[1])
	}
	fields, some := c.list("fields")
	return ok(pick(ix.slots[at], func(name string) bool { return name != "_vectors" && (!some || slices.Contains(fields, name)) }))
}
