package meilitest

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The members of a search that the server knows; the emulator does the ones that select, sort and cut.
var searchNames = strings.Fields("q offset limit page hitsPerPage attributesToRetrieve attributesToCrop cropLength cropMarker " +
	"attributesToHighlight highlightPreTag highlightPostTag showMatchesPosition filter sort distinct facets matchingStrategy " +
	"attributesToSearchOn rankingScoreThreshold locales hybrid vector retrieveVectors media personalize useNetwork showRankingScore " +
	"showRankingScoreDetails showPerformanceDetails")

func (c *call) postSearch() (answer, error) {
	body, err := c.object(searchNames...)
	if err != nil {
		return answer{}, err
	}
	return c.search(body)
}

func (c *call) getSearch() (answer, error) {
	names := slices.DeleteFunc(slices.Clone(searchNames), func(n string) bool { return n == "media" })
	names[slices.Index(names, "hybrid")] = "hybridEmbedder"
	names = slices.Insert(names, slices.Index(names, "hybridEmbedder")+1, "hybridSemanticRatio")
	names[slices.Index(names, "personalize")] = "personalizeUserContext"
	if err := c.checkParams(names...); err != nil {
		return answer{}, err
	}
	body := newObject()
	for name, values := range c.r.URL.Query() {
		switch name {
		case "limit", "offset", "page", "hitsPerPage":
			n, err := c.number(name, "invalid_search_"+snake(name), 0)
			if err != nil {
				return answer{}, err
			}
			body.set(name, number(strconv.Itoa(n)))
		case "attributesToRetrieve", "facets", "sort":
			body.set(name, anyList(strings.Split(values[0], ",")))
		default:
			body.set(name, values[0])
		}
	}
	return c.search(body)
}

// search answers a search, as the body of a request describes it, of the index in the path.
func (c *call) search(body *object) (answer, error) {
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	result, err := ix.search(c.params[0], body)
	if err != nil {
		return answer{}, err
	}
	return ok(result)
}

func (c *call) multiSearch() (answer, error) {
	body, err := c.object("queries", "federation")
	if err != nil {
		return answer{}, err
	}
	v, there := body.get("queries")
	if !there {
		return answer{}, badRequest("bad_request", "Missing field `queries`")
	}
	list, isList := v.([]any)
	if !isList {
		return answer{}, wrongType(".queries", "bad_request", "an array", v)
	}
	defer c.lock()()
	results := []any{}
	names := append(append([]string{"indexUid"}, searchNames...), "federationOptions")
	for i, e := range list {
		result, err := c.oneOfSeveral(i, e, names)
		if err != nil {
			return answer{}, err
		}
		results = append(results, result)
	}
	return ok(newObject("results", results))
}

func (c *call) oneOfSeveral(i int, v any, names []string) (*object, error) {
	inside := sprintf(".queries[%d]", i)
	query, isObject := v.(*object)
	if !isObject {
		return nil, wrongType(inside, "bad_request", "an object", v)
	}
	if err := known(query, " inside `"+inside+"`", names); err != nil {
		return nil, err
	}
	v, there := query.get("indexUid")
	uid, _ := v.(string)
	switch {
	case !there:
		return nil, badRequest("missing_index_uid", "Missing field `indexUid` inside `%s`", inside)
	case !validUID(uid):
		return nil, badRequest("invalid_index_uid", "Invalid value at `%s.indexUid`: `%s` %s", inside, uid, uidRule)
	}
	ix := c.s.indexes[uid]
	var err error
	var found *object
	switch {
	case !c.key.sees(uid):
		err = invalidKey()
	case ix == nil:
		err = indexNotFound(uid)
	default:
		found, err = ix.search(uid, query)
	}
	if failed, ok := errors.AsType[*TaskError](err); ok {
		failed.Message = "Inside `" + inside + "`: " + failed.Message
		if failed.status == http.StatusNotFound {
			failed.status = http.StatusBadRequest
		}
		return nil, failed
	}
	result := newObject("indexUid", uid)
	for _, k := range found.keys {
		result.set(k, found.values[k])
	}
	return result, nil
}

func (ix *index) search(uid string, body *object) (*object, error) {
	q, err := member(body, "q", "invalid_search_q")
	if err != nil {
		return nil, err
	}
	query := ""
	if q != nil {
		query = *q
	}
	keep, err := ix.searchFilter(uid, body)
	if err != nil {
		return nil, err
	}
	words := tokens(query)
	var hits []*object
	for _, d := range ix.documents() {
		d = pick(d, func(name string) bool { return name != "_federation" })
		if keep(d) && ix.matches(d, words) {
			hits = append(hits, d)
		}
	}
	order, given, err := texts(body, "sort", "invalid_search_sort")
	if err != nil {
		return nil, err
	}
	if given {
		if err := ix.sort(hits, order, "invalid_search_sort", "Index `"+uid+"`: ", "`, `"); err != nil {
			return nil, err
		}
	}
	return ix.searchResult(query, hits, body)
}

// searchFilter reads the filter of a search: a condition, or a list of conditions of which each, or of each inner list one, holds.
func (ix *index) searchFilter(uid string, body *object) (func(*object) bool, error) {
	v, _ := body.get("filter")
	keep, err := ix.conditions(v)
	if err == nil {
		return keep, nil
	}
	err.Code, err.Link = "invalid_search_filter", "https://docs.meilisearch.com/errors#invalid_search_filter"
	if head, _, found := strings.Cut(err.Message, "\n1:"); found { // a search shows the condition in another spelling
		name := strings.Split(head, "`")[1]
		text, _ := v.(string)
		_, value, _ := strings.Cut(text, "=")
		err.Message = sprintf("Index `%s`: %s\n2:%d %q = %q", uid, head, len(name)+2, name, strings.TrimSpace(value))
	}
	return nil, err
}

// searchResult cuts the hits and shows them.
func (ix *index) searchResult(query string, hits []*object, body *object) (*object, error) {
	limit, err1 := count(body, "limit", "invalid_search_limit", 20)
	offset, err2 := count(body, "offset", "invalid_search_offset", 0)
	perPage, err3 := count(body, "hitsPerPage", "invalid_search_hits_per_page", -1)
	at, err4 := count(body, "page", "invalid_search_page", -1)
	show, some, err5 := texts(body, "attributesToRetrieve", "invalid_search_attributes_to_retrieve")
	facets, faceted, err6 := texts(body, "facets", "invalid_search_facets")
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return nil, err
	}
	total := len(hits)
	reach := min(total, ix.maxTotalHits())
	finite := perPage >= 0 || at >= 0
	if finite {
		perPage, at = cmp.Or(max(perPage, 0), 20), max(at, 0)
		if _, given := body.get("page"); !given {
			at = 1
		}
		offset, limit = (at-1)*perPage, perPage
		if at == 0 {
			offset, limit = 0, 0
		}
	}
	shown := page(hits[:reach], offset, limit)
	for i, h := range shown {
		shown[i] = pick(h, func(name string) bool {
			return (!some || slices.Contains(show, name) || slices.Contains(show, "*")) && ix.allows("displayedAttributes", name)
		})
	}
	result := newObject("hits", list(shown), "query", query, "processingTimeMs", 0)
	if finite {
		for i, n := range []int{perPage, at, int(math.Ceil(float64(total) / float64(perPage))), total} {
			result.set([]string{"hitsPerPage", "page", "totalPages", "totalHits"}[i], n)
		}
	} else {
		result.set("limit", limit)
		result.set("offset", offset)
		result.set("estimatedTotalHits", total)
	}
	if faceted {
		if err := ix.facets(result, hits, facets); err != nil {
			return nil, err
		}
	}
	result.set("requestUid", newUUID())
	return result, nil
}

func (ix *index) maxTotalHits() int {
	pagination, _ := ix.setting(partNamed("pagination")).(*object)
	n, _ := pagination.values["maxTotalHits"].(number)
	most, err := strconv.Atoi(string(n))
	if err != nil {
		return 1000
	}
	return most
}

// facets counts the values of attributes that are texts or lists of texts.
func (ix *index) facets(result *object, hits []*object, names []string) error {
	counts := newObject()
	slices.Sort(names)
	for _, name := range names {
		if !ix.allows("filterableAttributes", name) {
			return badRequest("invalid_search_facets", "Invalid facet distribution: Pattern `%s` is not filterable. Available filterable attributes "+
				"patterns are: `%s`.", name, strings.Join(ix.attributes("filterableAttributes"), "`, `"))
		}
		values := map[string]int{}
		for _, h := range hits {
			for _, v := range flat(h.values[name]) {
				if text, isText := v.(string); isText {
					values[text]++
				}
			}
		}
		if len(values) > 0 {
			counts.set(name, countsOf(values))
		}
	}
	result.set("facetDistribution", counts)
	result.set("facetStats", newObject())
	return nil
}

func countsOf(values map[string]int) *object {
	o := newObject()
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		o.set(k, values[k])
	}
	return o
}

// attributes is a setting that is a list of names, sorted.
func (ix *index) attributes(setting string) []string {
	var names []string
	list, _ := ix.setting(partNamed(setting)).([]any)
	for _, v := range list {
		if name, isText := v.(string); isText {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// matches tells whether the document has all words; the last one may be the beginning of a word.
func (ix *index) matches(d *object, words []string) bool {
	if len(words) == 0 {
		return true
	}
	var have []string
	for _, name := range d.keys {
		if ix.allows("searchableAttributes", name) {
			for _, v := range flat(d.values[name]) {
				switch v := v.(type) {
				case string:
					have = append(have, tokens(v)...)
				case number:
					have = append(have, tokens(string(v))...)
				}
			}
		}
	}
	for i, w := range words {
		if !slices.ContainsFunc(have, func(h string) bool { return h == w || i == len(words)-1 && strings.HasPrefix(h, w) }) {
			return false
		}
	}
	return true
}

func tokens(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}

// flat returns the scalars that a value holds.
func flat(v any) []any {
	switch v := v.(type) {
	case []any:
		var all []any
		for _, e := range v {
			all = append(all, flat(e)...)
		}
		return all
	case *object:
		var all []any
		for _, k := range v.keys {
			all = append(all, flat(v.values[k])...)
		}
		return all
	}
	return []any{v}
}

// sort orders documents by expressions such as price:asc.
func (ix *index) sort(documents []*object, order []string, code, prefix, separator string) error {
	type by struct {
		name string
		desc bool
	}
	var keys []by
	for _, o := range order {
		name, direction, _ := strings.Cut(o, ":")
		if direction != "asc" && direction != "desc" {
			return badRequest(code, "Invalid syntax for the sort parameter: expected expression ending by `:asc` or `:desc`, found `%s`.", o)
		}
		if !ix.allows("sortableAttributes", name) {
			return badRequest(code, "%sAttribute `%s` is not sortable. Available sortable attributes are: `%s`.", prefix, name,
				strings.Join(ix.attributes("sortableAttributes"), separator))
		}
		keys = append(keys, by{name, direction == "desc"})
	}
	slices.SortStableFunc(documents, func(a, b *object) int {
		for _, k := range keys {
			c := compareValues(a.values[k.name], b.values[k.name])
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

func compareValues(a, b any) int {
	x, isNumber := a.(number)
	y, both := b.(number)
	if isNumber && both {
		f, _ := strconv.ParseFloat(string(x), 64)
		g, _ := strconv.ParseFloat(string(y), 64)
		return cmp.Compare(f, g)
	}
	s, _ := a.(string)
	t, _ := b.(string)
	return strings.Compare(strings.ToLower(s), strings.ToLower(t))
}
