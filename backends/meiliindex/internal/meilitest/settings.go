package meilitest

import (
	"net/http"
	"slices"
	"time"
)

// settingPart describes one setting.
type settingPart struct {
	name     string
	fallback any
	sorted   bool // the value is a set, which the server returns sorted
	merges   bool // a change replaces only the members that it has
}

var settingParts = []settingPart{
	{name: "displayedAttributes", fallback: []any{"*"}},
	{name: "searchableAttributes", fallback: []any{"*"}},
	{name: "filterableAttributes", fallback: []any{}},
	{name: "sortableAttributes", fallback: []any{}, sorted: true},
	{name: "rankingRules", fallback: []any{
		"words", "typo", "proximity", "attributeRank", "sort", "wordPosition", "exactness",
	}},
	{name: "stopWords", fallback: []any{}, sorted: true},
	{name: "nonSeparatorTokens", fallback: []any{}, sorted: true},
	{name: "separatorTokens", fallback: []any{}, sorted: true},
	{name: "dictionary", fallback: []any{}, sorted: true},
	{name: "synonyms", fallback: newObject()},
	{name: "distinctAttribute"},
	{name: "proximityPrecision", fallback: "byWord"},
	{name: "typoTolerance", merges: true, fallback: newObject("enabled", true, "minWordSizeForTypos",
		newObject("oneTypo", number("5"), "twoTypos", number("9")), "disableOnWords", []any{}, "disableOnAttributes", []any{},
		"disableOnNumbers", false)},
	{name: "faceting", merges: true,
		fallback: newObject("maxValuesPerFacet", number("100"), "sortFacetValuesBy", newObject("*", "alpha"))},
	{name: "pagination", merges: true, fallback: newObject("maxTotalHits", number("1000"))},
	{name: "embedders", merges: true, fallback: newObject()},
	{name: "searchCutoffMs"},
	{name: "localizedAttributes"},
	{name: "facetSearch", fallback: true},
	{name: "prefixSearch", fallback: "indexingTime"},
}

// settingNames are the members that a change of settings may have.
var settingNames = []string{
	"displayedAttributes", "searchableAttributes", "filterableAttributes", "sortableAttributes", "foreignKeys",
	"rankingRules", "stopWords", "nonSeparatorTokens", "separatorTokens", "dictionary", "synonyms",
	"distinctAttribute", "proximityPrecision", "typoTolerance", "faceting", "pagination", "embedders",
	"searchCutoffMs", "localizedAttributes", "facetSearch", "prefixSearch", "chat",
}

// setting returns the value of a setting, or its default if it was not set.
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

// allows reports whether a list of attributes contains an attribute.
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

func (c *call) patchSettings() (answer, error) {
	body, err := c.object(settingNames...)
	if err != nil {
		return answer{}, err
	}
	return c.enqueueSettings(body)
}

func (c *call) putFacetSearch() (answer, error) {
	v, err := c.json()
	if err != nil {
		return answer{}, err
	}
	return c.enqueueSettings(newObject("facetSearch", v))
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
		always := name == "displayedAttributes" || name == "searchableAttributes"
		if v == nil && (always || c.r.Method != http.MethodDelete) {
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
		index: c.params[0], kind: typeSettings, settings: change,
		mayCreate: c.key.allows("indexes.create"), details: details,
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

// changeSettings processes a batch of changes of settings.
func (s *Server) changeSettings(batch []*task) {
	ix, uid := s.indexes[batch[0].index], batch[0].index
	if ix == nil {
		for _, t := range batch {
			t.finish(Failed, indexNotFound(uid))
		}
		return
	}
	ix.settings = clone(ix.settings)
	for _, t := range batch {
		for _, name := range t.settings.keys {
			mergeSetting(ix.settings, name, t.settings.values[name])
		}
		t.finish(Succeeded, nil)
	}
	ix.updated = time.Now()
}

func mergeSetting(settings *object, name string, v any) {
	if v == nil {
		settings.keys = slices.DeleteFunc(settings.keys, func(k string) bool { return k == name })
		delete(settings.values, name)
		return
	}
	part := partNamed(name)
	if change, isObject := v.(*object); isObject && part.merges {
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
