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

// definition is what makes an alias of an index more than a name, in the server's own words: its filter, its routing,
// whether it takes writes, whether it is hidden.
type definition map[string]json.RawMessage

// same reports whether searches through both definitions find the same.
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

// live is the definition of a tenant's alias unless another one was found. An alias cannot have two write indexes: a
// switch fails if another index got the alias meanwhile.
func liveDefinition() definition { return definition{keyWriteIndex: json.RawMessage("true")} }

// hiddenDefinition is that of an alias that is ours alone.
func hiddenDefinition() definition { return definition{keyHidden: json.RawMessage("true")} }

// action is one action of a call of _aliases.
type action map[string]map[string]any

// addAlias gives the index an alias. The server calls one value "routing" that it reports as two.
func addAlias(index, alias string, d definition) action {
	body := map[string]any{keyIndex: index, keyAlias: alias}
	for key, value := range d {
		body[key] = value
	}
	return action{"add": body}
}

// removeAlias takes the alias from the index, and makes the call fail if it is not there.
func removeAlias(index, alias string) action {
	return action{"remove": {keyIndex: index, keyAlias: alias, "must_exist": true}}
}

// dropAlias takes the alias from the index if it is there.
func dropAlias(index, alias string) action {
	return action{"remove": {keyIndex: index, keyAlias: alias, "must_exist": false}}
}

// updateAliases makes one atomic call: all of the actions happen, or none.
func (ix *Index) updateAliases(ctx context.Context, what string, actions []action) error {
	var answer struct{ Acknowledged bool }
	err := call(ctx, ix.transport, what, esapi.IndicesUpdateAliasesRequest{Body: jsonBody(map[string]any{"actions": actions})}, &answer)
	if err == nil && !answer.Acknowledged {
		return unacknowledged(what)
	}
	return err
}

// unacknowledged is the error of a change that the cluster has not made everywhere in time.
func unacknowledged(what string) error {
	return reindex.Temporary(reindex.Public(fmt.Errorf("esindex: %s: not acknowledged in time", what),
		"the nodes of the cluster did not acknowledge a change in time"))
}

// entry is what the server says of one index.
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

// created returns when the index was created, zero if that is not known.
func (e entry) created() time.Time {
	milli, err := strconv.ParseInt(fmt.Sprint(e.Settings.Index["creation_date"]), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(milli).UTC()
}

// looked are the parts of an index that entry has. Its uuid is always there: an index without aliases would be left out
// otherwise.
var looked = []string{
	"*.aliases", "*.mappings._meta." + markKey, "*.mappings.dynamic", "*.mappings._routing", "*.settings.index.uuid",
	"*.settings.index.creation_date",
	"*.settings.index.number_of_shards", "*.settings.index.number_of_replicas", "*.settings.index.auto_expand_replicas",
	"*.settings.index.refresh_interval",
	"*.settings.index.write.wait_for_active_shards", "*.settings.index.default_pipeline", "*.settings.index.final_pipeline",
	"*.settings." + ignoreBeyondLimit,
}

// look returns what the server says of the indexes behind names and patterns, by their names. There are none if there
// is nothing of that name.
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

// names are those of one tenant: its alias, and the beginning of the aliases of kept indexes.
type names struct{ prefix, tenant, live, kept string }

func (ix *Index) names(tenant string) names {
	live := ix.Alias(tenant)
	return names{prefix: ix.cfg.Prefix, tenant: tenant, live: live, kept: keptPrefix(live)}
}

// isOwn reports whether the alias is one of the index alone: a fence, or that of its run.
func isOwn(index, alias string) bool { return strings.HasPrefix(alias, index+".") }

// isFence reports whether the alias is a fence of the index.
func isFence(index, alias string) bool {
	mark, own := strings.CutPrefix(alias, index)
	return own && (mark == writeMark || strings.HasPrefix(mark, commitMark))
}

// fenced reports whether the index has a fence: it was neither switched to nor given up.
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

// published reports whether the index is meant to be found under the tenant's alias. That it bears the alias is not
// enough: a template gives it to every index whose name matches, also to one that is still being loaded, and to those
// of other tenants. A generation was published if its fence is gone, which the switch removes in one step with adding
// the alias; or if somebody gave the alias to a generation that was complete.
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

// further returns the aliases of the index that are not ours, with their definitions: somebody has given them to it.
func (e entry) further(n names, index string) map[string]definition {
	found := map[string]definition{}
	for alias, d := range e.Aliases {
		if alias != n.live && !strings.HasPrefix(alias, n.kept) && !isOwn(index, alias) {
			found[alias] = d
		}
	}
	return found
}

// target is what a tenant's alias stands for.
type target struct {
	concrete bool             // an index of that very name
	indexes  map[string]entry // behind the alias, without those that were never published
	stray    []string         // these: they bear the alias, and nobody put them live
}

// String names the indexes, for messages.
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

// sorted returns the names of the indexes.
func (t target) sorted() []string { return slices.Sorted(maps.Keys(t.indexes)) }

// same reports whether both stand for the same.
func (t target) same(other target) bool {
	return t.concrete == other.concrete && slices.Equal(t.sorted(), other.sorted())
}

// definition returns that of the alias, which is the same for all of the indexes, or an error.
func (t target) definition(n names) (definition, error) {
	var (
		d    definition
		from string
	)
	for _, index := range t.sorted() {
		next := t.indexes[index].Aliases[n.live]
		if from != "" && !d.same(next) {
			return nil, reindex.Public(
				fmt.Errorf("esindex: alias %s has another filter or routing for index %s than for index %s, and a new index can have "+
					"only one of them: make them the same, or take the alias from one of the indexes", n.live, from, index),
				"the tenant's alias has another filter or routing for one of its indexes than for another; make them the same")
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

// behind finds out what the tenant's alias stands for.
func (ix *Index) behind(ctx context.Context, n names) (target, error) {
	entries, err := ix.look(ctx, n.live)
	if err != nil {
		return target{}, err
	}
	return n.behind(entries), nil
}

// behind returns what the tenant's alias stands for, of all indexes that there are. Those without the alias do not
// count.
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
