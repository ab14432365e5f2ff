package esindex

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// definition holds the properties of an alias for one index, as the server encodes them: the filter, the routing,
// whether it is the write index, whether it is hidden.
type definition map[string]json.RawMessage

// same reports whether searches through both definitions find the same products.
func (d definition) same(other definition) bool {
	relevant := func(key string) bool { return key != keyWriteIndex }
	for _, pair := range [][2]definition{{d, other}, {other, d}} {
		for key, value := range pair[0] {
			if relevant(key) && !bytes.Equal(value, pair[1][key]) {
				return false
			}
		}
	}
	return true
}

const (
	keyIndex      = "index"
	keyAlias      = "alias"
	keyWriteIndex = "is_write_index"
	keyHidden     = "is_hidden"
)

// liveDefinition is the definition of a tenant's alias if there is no alias yet to take it from. It makes the
// generation the write index: an alias cannot have two of them, so the switch fails if another index has been given the
// alias meanwhile.
func liveDefinition() definition { return definition{keyWriteIndex: json.RawMessage("true")} }

// hiddenDefinition is the definition of an alias that only this package uses.
func hiddenDefinition() definition { return definition{keyHidden: json.RawMessage("true")} }

// action is one action of an _aliases call.
type action map[string]map[string]any

// addAlias returns the action that adds an alias to the index. The definition is sent as the server reported it.
func addAlias(index, alias string, d definition) action {
	body := map[string]any{keyIndex: index, keyAlias: alias}
	for key, value := range d {
		body[key] = value
	}
	return action{"add": body}
}

// removeAlias returns the action that removes the alias from the index, and fails the call if the index does not have
// it.
func removeAlias(index, alias string) action {
	return action{"remove": {keyIndex: index, keyAlias: alias, "must_exist": true}}
}

// dropAlias returns the action that removes the alias from the index if it has it.
func dropAlias(index, alias string) action {
	return action{"remove": {keyIndex: index, keyAlias: alias, "must_exist": false}}
}

// updateAliases makes one atomic call: either all of the actions are applied or none is.
func (ix *Index) updateAliases(ctx context.Context, what string, actions []action) error {
	var answer struct{ Acknowledged bool }
	err := call(ctx, ix.transport, what,
		esapi.IndicesUpdateAliasesRequest{Body: jsonBody(map[string]any{"actions": actions})}, &answer)
	if err == nil && !answer.Acknowledged {
		return unacknowledged(what)
	}
	return err
}

// unacknowledged returns the error of a change that not all nodes have acknowledged in time.
func unacknowledged(what string) error {
	return reindex.Temporary(reindex.Public(fmt.Errorf("esindex: %s: not acknowledged in time", what),
		"the nodes of the cluster did not acknowledge a change in time"))
}

// entry is the part of the server's description of an index that this package reads.
type entry struct {
	Aliases  map[string]definition `json:"aliases"`
	Mappings struct {
		Meta struct {
			Mark *mark `json:"productindex"`
		} `json:"_meta"`
		Dynamic any `json:"dynamic"`
		Routing struct {
			Required bool `json:"required"`
		} `json:"_routing"`
	} `json:"mappings"`
	Settings struct {
		Index map[string]any `json:"index"`
	} `json:"settings"`
}

// created returns the time at which the index was created, or the zero time if it is not known.
func (e entry) created() time.Time {
	milli, err := strconv.ParseInt(fmt.Sprint(e.Settings.Index["creation_date"]), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(milli).UTC()
}

// looked lists the parts of an index that look asks for. Every index has a uuid; without it in the list, the answer
// would leave out an index without aliases.
var looked = []string{
	"*.aliases", "*.mappings._meta." + markKey, "*.mappings.dynamic", "*.mappings._routing", "*.settings.index.uuid",
	"*.settings.index.creation_date",
	"*.settings.index.number_of_shards", "*.settings.index.number_of_replicas", "*.settings.index.auto_expand_replicas",
	"*.settings.index.refresh_interval",
	"*.settings.index.write.wait_for_active_shards", "*.settings.index.default_pipeline",
	"*.settings.index.final_pipeline",
	"*.settings." + ignoreBeyondLimit,
}

// look returns the entries of the indexes that match the names and patterns, by index name. The map is empty if none
// matches.
func (ix *Index) look(ctx context.Context, names ...string) (map[string]entry, error) {
	entries := map[string]entry{}
	missing := len(names) > 1
	req := esapi.IndicesGetRequest{Index: names, ExpandWildcards: "all", FilterPath: looked, IgnoreUnavailable: &missing}
	err := call(ctx, ix.transport, "looking at "+strings.Join(names, " and "), req, &entries)
	if hasType(err, typeNotFound) {
		return map[string]entry{}, nil
	}
	return entries, err
}

// names holds the names of one tenant: its alias, and the prefix of the aliases of its kept generations.
type names struct{ prefix, tenant, live, kept string }

func (ix *Index) names(tenant string) names {
	live := ix.Alias(tenant)
	return names{prefix: ix.cfg.Prefix, tenant: tenant, live: live, kept: keptPrefix(live)}
}

// isOwn reports whether the alias is a fence or the run alias of this index.
func isOwn(index, alias string) bool { return strings.HasPrefix(alias, index+".") }

// isFence reports whether the alias is a fence of the index.
func isFence(index, alias string) bool {
	mark, own := strings.CutPrefix(alias, index)
	return own && (mark == writeMark || strings.HasPrefix(mark, commitMark))
}

// fenced reports whether the index has a fence. A generation has one until it is switched to or given up.
func (e entry) fenced(index string) bool {
	for alias := range e.Aliases {
		if isFence(index, alias) {
			return true
		}
	}
	return false
}

// fencedBy reports whether the index has one of these aliases.
func (e entry) fencedBy(fences ...string) bool {
	return slices.ContainsFunc(fences, func(alias string) bool { _, there := e.Aliases[alias]; return there })
}

// published reports whether the index is live under the tenant's alias. The alias alone is not enough: a template adds
// it to every index whose name matches, even to one that is still being loaded or that belongs to another tenant. A
// generation is published if it has the alias and no fence, since the switch removes the fence in the same step that
// adds the alias. A sealed generation to which somebody added the alias is also published.
func (e entry) published(n names, index string) bool {
	if _, ok := e.Aliases[n.live]; !ok {
		return false
	}
	m := e.Mappings.Meta.Mark
	if m == nil {
		return true
	}
	return m.Prefix == n.prefix && m.Tenant == n.tenant && (m.Documents != nil || !e.fenced(index))
}

// further returns the aliases of the index that somebody else added, with their definitions.
func (e entry) further(n names, index string) map[string]definition {
	found := map[string]definition{}
	for alias, d := range e.Aliases {
		if alias != n.live && !strings.HasPrefix(alias, n.kept) && !isOwn(index, alias) {
			found[alias] = d
		}
	}
	return found
}

// target is the set of indexes that a tenant's alias points to.
type target struct {
	concrete bool             // there is an index of the alias's name
	indexes  map[string]entry // the published ones, by name
	stray    []string         // indexes that have the alias and were never published
}

// String returns the names of the indexes, for messages.
func (t target) String() string {
	switch {
	case t.concrete:
		return "an index of that name"
	case len(t.indexes) == 0:
		return "nothing"
	default:
		return strings.Join(t.sorted(), ", ")
	}
}

func (t target) sorted() []string { return slices.Sorted(maps.Keys(t.indexes)) }

// same reports whether both targets have the same indexes.
func (t target) same(other target) bool {
	return t.concrete == other.concrete && slices.Equal(t.sorted(), other.sorted())
}

// definition returns the definition of the alias. It returns an error if the definitions for two indexes differ.
func (t target) definition(n names) (definition, error) {
	var (
		d    definition
		from string
	)
	for _, index := range t.sorted() {
		next := t.indexes[index].Aliases[n.live]
		if from != "" && !d.same(next) {
			return nil, reindex.Public(
				fmt.Errorf("esindex: alias %s has different filters or routings for index %s and index %s, and a new "+
					"index can have only one; make them the same, or remove the alias from one of the indexes", n.live, from, index),
				"the tenant's alias has different filters or routings for its indexes; make them the same")
		}
		d, from = next, index
	}
	if from == "" {
		return liveDefinition(), nil
	}
	d = maps.Clone(d)
	if _, ok := d[keyWriteIndex]; !ok {
		d[keyWriteIndex] = json.RawMessage("true")
	}
	return d, nil
}

// behind asks the server for the indexes that the tenant's alias points to.
func (ix *Index) behind(ctx context.Context, n names) (target, error) {
	entries, err := ix.look(ctx, n.live)
	if err != nil {
		return target{}, err
	}
	return n.behind(entries), nil
}

// behind returns those of the entries to which the tenant's alias points.
func (n names) behind(entries map[string]entry) target {
	t := target{indexes: map[string]entry{}}
	for index, e := range entries {
		_, bears := e.Aliases[n.live]
		switch {
		case index == n.live:
			return target{concrete: true}
		case e.published(n, index):
			t.indexes[index] = e
		case bears:
			t.stray = append(t.stray, index)
		}
	}
	return t
}
