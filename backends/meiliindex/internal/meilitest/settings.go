package meilitest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// settingPart is one setting that has a route of its own.
type settingPart struct {
	name, route, method string
	fallback            any
	sorted              bool // a set: shown in order
}

var settingParts = []settingPart{
	{"displayedAttributes", "displayed-attributes", "PUT", []any{"*"}, false},
	{"searchableAttributes", "searchable-attributes", "PUT", []any{"*"}, false},
	{"filterableAttributes", "filterable-attributes", "PUT", []any{}, false},
	{"sortableAttributes", "sortable-attributes", "PUT", []any{}, true},
	{"rankingRules", "ranking-rules", "PUT",
		[]any{"words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness"}, false},
	{"stopWords", "stop-words", "PUT", []any{}, true},
	{"nonSeparatorTokens", "non-separator-tokens", "PUT", []any{}, true},
	{"separatorTokens", "separator-tokens", "PUT", []any{}, true},
	{"dictionary", "dictionary", "PUT", []any{}, true},
	{"synonyms", "synonyms", "PUT", newObject(), false},
	{"distinctAttribute", "distinct-attribute", "PUT", nil, false},
	{"proximityPrecision", "proximity-precision", "PUT", "byWord", false},
	{"typoTolerance", "typo-tolerance", "PATCH", newObject("enabled", true, "minWordSizeForTypos",
		newObject("oneTypo", number("5"), "twoTypos", number("9")), "disableOnWords", []any{}, "disableOnAttributes", []any{},
		"disableOnNumbers", false), false},
	{"faceting", "faceting", "PATCH",
		newObject("maxValuesPerFacet", number("100"), "sortFacetValuesBy", newObject("*", "alpha")), false},
	{"pagination", "pagination", "PATCH", newObject("maxTotalHits", number("1000")), false},
	{"embedders", "embedders", "PATCH", newObject(), false},
	{"searchCutoffMs", "search-cutoff-ms", "PUT", nil, false},
	{"localizedAttributes", "localized-attributes", "PUT", nil, false},
	{"facetSearch", "facet-search", "PUT", true, false},
	{"prefixSearch", "prefix-search", "PUT", "indexingTime", false},
}

// settingNames are the members that a change of settings may have.
var settingNames = []string{
	"displayedAttributes", "searchableAttributes", "filterableAttributes", "sortableAttributes", "foreignKeys", "rankingRules", "stopWords",
	"nonSeparatorTokens", "separatorTokens", "dictionary", "synonyms", "distinctAttribute", "proximityPrecision", "typoTolerance", "faceting",
	"pagination", "embedders", "searchCutoffMs", "localizedAttributes", "facetSearch", "prefixSearch", "chat",
}

// setting is the value of one setting, the default where it was not set.
func (ix *index) setting(p settingPart) any {
	v, there := ix.settings.get(p.name)
	if !there {
		return p.fallback
	}
	return v
}

func partNamed(name string) settingPart {
	i := slices.IndexFunc(settingParts, func(p settingPart) bool { return p.name == name })
	if i < 0 {
		return settingPart{name: name}
	}
	return settingParts[i]
}

// allows tells whether a list of attributes has that one.
func (ix *index) allows(setting, attribute string) bool {
	list, _ := ix.setting(partNamed(setting)).([]any)
	return slices.ContainsFunc(list, func(v any) bool { return v == attribute || v == "*" })
}

func (c *call) getSettings() (answer, error) {
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	all := newObject()
	for _, p := range settingParts {
		all.set(p.name, ix.setting(p))
	}
	return ok(all)
}

func (c *call) getPart(p settingPart) (answer, error) {
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	return ok(ix.setting(p))
}

func (c *call) patchSettings() (answer, error) {
	body, err := c.object(settingNames...)
	if err != nil {
		return answer{}, err
	}
	for _, name := range body.keys {
		if err := checkSetting(name, "."+name, body.values[name]); err != nil {
			return answer{}, err
		}
	}
	return c.enqueueSettings(body)
}

func (c *call) putPart(p settingPart) (answer, error) {
	v, err := c.json()
	if err != nil {
		return answer{}, err
	}
	if err := checkSetting(p.name, "", v); err != nil {
		return answer{}, err
	}
	return c.enqueueSettings(newObject(p.name, v))
}

func (c *call) resetSettings() (answer, error) {
	all := newObject()
	for _, name := range settingNames {
		all.set(name, nil)
	}
	return c.enqueueSettings(all)
}

func (c *call) enqueueSettings(change *object) (answer, error) {
	details := newObject()
	for _, name := range change.keys {
		v := change.values[name]
		if v == nil && c.r.Method != http.MethodDelete || v == nil && (name == "displayedAttributes" || name == "searchableAttributes") {
			v = partNamed(name).fallback
		}
		if list, isList := v.([]any); isList && partNamed(name).sorted {
			v = sortedSet(list)
			change.set(name, v)
		}
		details.set(name, v)
	}
	defer c.lock()()
	return accepted(c.s.enqueue(&task{
		index: c.params[0], kind: typeSettings, settings: change, mayCreate: c.key.allows("indexes.create"), details: details,
	}))
}

func sortedSet(list []any) []any {
	names := make([]string, 0, len(list))
	for _, v := range list {
		name, _ := v.(string)
		names = append(names, name)
	}
	slices.Sort(names)
	return anyList(slices.Compact(names))
}

// checkSetting refuses values of a wrong type, and ranking rules that are none.
func checkSetting(name, path string, v any) error {
	code := "invalid_settings_" + snake(name)
	if v == nil {
		return nil
	}
	switch partNamed(name).fallback.(type) {
	case []any:
		list, isList := v.([]any)
		if !isList {
			return wrongType(path, code, "an array", v)
		}
		for i, e := range list {
			text, isText := e.(string)
			_, isObject := e.(*object)
			at := sprintf("%s[%d]", path, i)
			if !isText && (!isObject || name != "filterableAttributes") {
				return wrongType(at, code, "a string", e)
			}
			if name == "rankingRules" && !validRule(text) {
				return badRequest(code, "Invalid value at `%s`: `%s` ranking rule is invalid. Valid ranking rules are words, typo, sort, proximity, "+
					"attribute, exactness and custom ranking rules.", at, text)
			}
		}
	case *object:
		o, isObject := v.(*object)
		if !isObject {
			return wrongType(path, code, "an object", v)
		}
		if err := checkMembers(name, path, code, o); err != nil || name != "typoTolerance" {
			return err
		}
		return checkSizes(path, code, o)
	default:
		if _, isText := v.(string); !isText && name == "distinctAttribute" {
			return wrongType(path, code, "a string", v)
		}
	}
	return nil
}

func validRule(rule string) bool {
	plain := []string{"words", "typo", "sort", "proximity", "attribute", "attributeRank", "wordPosition", "exactness"}
	return slices.Contains(plain, rule) || strings.HasSuffix(rule, ":asc") || strings.HasSuffix(rule, ":desc")
}

// checkMembers checks the members of settings that are objects, as far as they have a fixed type.
func checkMembers(name, path, code string, o *object) error {
	fallback, _ := partNamed(name).fallback.(*object)
	if len(fallback.keys) == 0 {
		return nil
	}
	for _, k := range o.keys {
		want, there := fallback.get(k)
		if !there {
			return badRequest(code, "Unknown field `%s` inside `%s`: %s", k, path, expectedOneOf(fallback.keys))
		}
		v := o.values[k]
		_, isNumber := want.(number)
		_, isBool := want.(bool)
		if n, valid := v.(number); isNumber && (!valid || strings.HasPrefix(string(n), "-")) {
			return wrongType(path+"."+k, code, "a positive integer", v)
		}
		if _, valid := v.(bool); isBool && !valid {
			return wrongType(path+"."+k, code, "a boolean", v)
		}
	}
	return nil
}

// checkSizes checks the word sizes of a change of typoTolerance, as far as it holds them.
func checkSizes(path, code string, o *object) error {
	sizes, _ := o.values["minWordSizeForTypos"].(*object)
	if sizes == nil {
		return nil
	}
	for _, k := range sizes.keys {
		if n, isNumber := sizes.values[k].(number); isNumber && compareValues(n, number("255")) > 0 {
			return badRequest(code, "Invalid value at `%s.minWordSizeForTypos.%s`: value: `%s` is too large to be deserialized, maximum value "+
				"authorized is `255`", path, k, n)
		}
	}
	one, both := sizes.get("oneTypo")
	two, there := sizes.get("twoTypos")
	if both && there && compareValues(one, two) > 0 {
		return badRequest(code, "Invalid value at `%s.minWordSizeForTypos`: %s", path, typoSizes(one, two))
	}
	return nil
}

func typoSizes(one, two any) string {
	return sprintf("`minWordSizeForTypos` setting is invalid. `oneTypo` and `twoTypos` fields should be between `0` and `255`, and `twoTypos` "+
		"should be greater or equals to `oneTypo` but found `oneTypo: %s` and twoTypos: %s`.", one, two)
}

// changeSettings applies all of a batch or, when one of it is wrong, nothing.
func (s *Server) changeSettings(batch []*task) {
	ix, uid := s.indexes[batch[0].index], batch[0].index
	if ix == nil {
		for _, t := range batch {
			t.finish(Failed, indexNotFound(uid))
		}
		return
	}
	next := clone(ix.settings)
	var err *TaskError
	for _, t := range batch {
		for _, name := range t.settings.keys {
			mergeSetting(next, name, t.settings.values[name])
		}
	}
	if typos, ok := next.values["typoTolerance"].(*object); ok {
		err = checkTypos(uid, typos)
	}
	if err == nil && !ix.allows("filterableAttributes", "_geo") {
		err = ix.checkStoredGeo(uid, next)
	}
	for _, t := range batch {
		if err != nil {
			t.finish(Failed, err)
			continue
		}
		t.finish(Succeeded, nil)
	}
	if err == nil {
		ix.settings, ix.updated = next, time.Now()
	}
}

func mergeSetting(settings *object, name string, v any) {
	if v == nil {
		settings.keys = slices.DeleteFunc(settings.keys, func(k string) bool { return k == name })
		delete(settings.values, name)
		return
	}
	part := partNamed(name)
	if change, isObject := v.(*object); isObject && part.method == "PATCH" {
		old, ok := settings.values[name].(*object)
		if !ok {
			old, _ = part.fallback.(*object)
		}
		v = merged(old, change)
	}
	if list, isList := v.([]any); isList && name == "searchableAttributes" {
		v = uniqueList(list)
	}
	settings.set(name, v)
}

func merged(old, change *object) *object {
	out := clone(old)
	for _, k := range change.keys {
		v := change.values[k]
		inner, isObject := v.(*object)
		before, hadObject := out.values[k].(*object)
		if isObject && hadObject {
			v = merged(before, inner)
		}
		out.set(k, v)
	}
	return out
}

func uniqueList(list []any) []any {
	out := []any{}
	for _, v := range list {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

func checkTypos(uid string, typos *object) *TaskError {
	sizes, _ := typos.values["minWordSizeForTypos"].(*object)
	one, _ := sizes.get("oneTypo")
	two, _ := sizes.get("twoTypos")
	if compareValues(one, two) <= 0 {
		return nil
	}
	return badRequest("invalid_settings_typo_tolerance", "Index `%s`: %s", uid, typoSizes(one, two))
}

// checkStoredGeo refuses to make _geo filterable while a document has a wrong one.
func (ix *index) checkStoredGeo(uid string, next *object) *TaskError {
	if after := (&index{settings: next}); !after.allows("filterableAttributes", "_geo") {
		return nil
	}
	for id, at := range ix.places {
		v, there := ix.slots[at].get("_geo")
		if !there {
			continue
		}
		if err := checkGeo(id, v); err != nil {
			err.Message = sprintf("Index `%s`: %s", uid, err.Message)
			return err
		}
	}
	return nil
}
