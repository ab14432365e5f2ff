package esindex

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"productindex/reindex"
)

// discardTimeout limits the time that a failed Begin takes to delete its index.
const discardTimeout = 10 * time.Second

// Begin implements [reindex.Indexer]. With a fencing token in ctx (see [reindex.Fence]) it deletes the generations of
// runs with smaller tokens, and fails if there is a generation with the same token or a greater one.
//
// Templates can change a new index. So Begin inspects the index after it is created: it removes aliases that templates
// added, and fails if the index would reject the products or could not become live. A fault that can be found before
// the load never appears after it.
func (ix *Index) Begin(ctx context.Context, tenant string) (reindex.Generation, error) {
	if err := reindex.CheckTenant(tenant); err != nil {
		return nil, err
	}
	n := ix.names(tenant)
	g := &generation{ix: ix, names: n, name: generationName(n.live, ix.now())}
	g.token, _ = reindex.Fence(ctx)
	ix.setOpen(g.name, true)
	if err := g.open(ctx, g.create, g.inspect, g.rehearse, g.prepare, g.noteLoad, g.takeOver); err != nil {
		return nil, err
	}
	g.pulse.start(ix.cfg.ReapAfter/4, g.showLife) //nolint:contextcheck // the generation outlives ctx
	return g, nil
}

// open performs the steps of Begin. If one of them fails, it deletes the index.
func (g *generation) open(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		err := step(ctx)
		if hasType(err, typeNotFound) {
			err = g.fencedOr(ctx, err) // a newer run has deleted the index
		}
		if err != nil {
			g.ix.setOpen(g.name, false)
			g.discardUnborn(ctx)
			return err
		}
	}
	return nil
}

// replaceable returns an error if a new index cannot replace the indexes that the alias points to.
func (ix *Index) replaceable(n names, t target) error {
	if t.concrete && ix.cfg.KeepPrevious > 0 {
		return reindex.Public(
			fmt.Errorf("esindex: an index has the name %s, which the alias needs, and cannot be kept under it; "+
				"clone it to another name and delete it, or set KeepPrevious to 0", n.live),
			"an index has the name that the tenant's alias needs, and cannot be kept under it; "+
				"clone and delete it, or set KeepPrevious to 0")
	}
	_, err := t.definition(n)
	return err
}

// discardUnborn deletes the index of a failed Begin. If that fails too, a later Reap deletes the index.
func (g *generation) discardUnborn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if _, err := g.ix.discard(ctx, g.names, g.name); err != nil {
		g.ix.cfg.Logger.WarnContext(ctx, "cannot delete the index of a run that failed to begin; a later run deletes it",
			"index", g.name, "error", err)
	}
}

// create creates the generation's index. The name is random, so an index that already exists was created by an earlier
// attempt of the client. If the server rejects a feature of the default settings or mappings, create leaves it out,
// remembers that, and tries again.
func (g *generation) create(ctx context.Context) error {
	what := "creating index " + g.name
	for {
		settings, mappings := g.ix.abilities.adapt(g.ix.settings, g.ix.mappings)
		if err := g.findUnsearched(ctx); err != nil {
			return err
		}
		body := mappings.marked(g.mark())
		if len(g.unsearched) > 0 {
			body["properties"] = unsearchedProperties(g.unsearched)
		}
		var created struct{ Acknowledged bool }
		err := call(ctx, g.ix.transport, what,
			esapi.IndicesCreateRequest{Index: g.name, WaitForActiveShards: "1", Body: jsonBody(map[string]any{
				"settings": settings.create,
				"mappings": body,
				"aliases":  g.ownAliases(),
			})}, &created)
		switch {
		case hasType(err, "resource_already_exists_exception"):
			return nil
		case hasType(err, "illegal_state_exception") && strings.Contains(err.Error(), "more than one write index"):
			return reindex.Public(
				fmt.Errorf("%w: an index template makes each new index the write index of an alias; remove %q from the "+
					"template, or exclude the indexes %s-* from its pattern", permanent(err), keyWriteIndex, g.ix.cfg.Prefix),
				fmt.Sprintf("an index template makes each new index the write index of an alias; remove %q from the template",
					keyWriteIndex))
		case err == nil && !created.Acknowledged:
			return unacknowledged(what)
		case g.ix.abilities.learn(err, g.ix.settings, g.ix.mappings):
			continue
		}
		return err
	}
}

// inspect reads all indexes of the tenant, including the new one. It removes the aliases that a template has added to
// the new index: if one of them is the tenant's own, searches would find an index that is still being loaded.
func (g *generation) inspect(ctx context.Context) error {
	entries, err := g.ix.look(ctx, g.names.live, g.names.live+"-*")
	if err != nil {
		return err
	}
	e, ok := entries[g.name]
	if !ok {
		return reindex.Temporary(reindex.Public(fmt.Errorf("esindex: index %s disappeared right after it was created",
			g.name),
			"the new index disappeared right after it was created"))
	}
	g.seen = g.names.marked(entries)
	g.before = g.names.behind(entries)
	if err := g.ix.replaceable(g.names, g.before); err != nil {
		return err
	}
	var actions []action
	g.templated = map[string]definition{}
	for alias, d := range e.Aliases {
		if isOwn(g.name, alias) {
			continue
		}
		actions = append(actions, dropAlias(g.name, alias))
		if ours := strings.HasPrefix(alias, g.ix.cfg.Prefix+"-"); ours {
			g.ix.cfg.Logger.WarnContext(ctx, "removed an alias that a template adds to every new index", "index", g.name,
				"alias", alias)
		} else {
			g.templated[alias] = d
		}
	}
	if len(actions) > 0 {
		if err := g.ix.updateAliases(ctx, "removing the aliases of a template from index "+g.name, actions); err != nil {
			return err
		}
	}
	g.found = flat(e.Settings.Index)
	return g.suits(e)
}

// suits returns an error if a template has changed the index so that it would reject or alter products.
func (g *generation) suits(e entry) error {
	dynamic := fmt.Sprint(e.Mappings.Dynamic)
	if strings.HasPrefix(dynamic, "strict") && !g.ix.mappings.names("dynamic") {
		return reindex.Public(
			fmt.Errorf("esindex: a template sets dynamic to %q for index %s, which rejects every product with a new field; "+
				"set dynamic in Config.Mappings, or exclude the indexes %s-* from the template", dynamic, g.name, g.ix.cfg.Prefix),
			fmt.Sprintf("an index template sets dynamic to %q, which rejects every product with a new field", dynamic))
	}
	for _, pipeline := range []string{"index.default_pipeline", "index.final_pipeline"} {
		value, set := g.found[pipeline]
		if _, ours := g.ix.settings.create[pipeline]; set && value != "_none" && !ours {
			return reindex.Public(
				fmt.Errorf("esindex: a template sends the products of index %s through the pipeline %v, which can change, "+
					"drop or redirect them; set %s in Config.Settings to that pipeline or to _none, or exclude the indexes "+
					"%s-* from the template",
					g.name, value, pipeline, g.ix.cfg.Prefix),
				fmt.Sprintf("an index template sets %s, and a pipeline can change, drop or redirect products", pipeline))
		}
	}
	return nil
}

// rehearse makes the calls that would otherwise fail only after the load, in a form that changes nothing: it counts the
// new index, and removes an alias that does not exist from the live index.
func (g *generation) rehearse(ctx context.Context) error {
	if _, err := g.ix.count(ctx, g.name); err != nil {
		return err
	}
	if err := g.roomForReplicas(ctx); err != nil {
		return err
	}
	replaced := g.before.sorted()
	if g.before.concrete {
		replaced = append(replaced, g.names.live)
	}
	if len(replaced) == 0 {
		return nil
	}
	actions := []action{addAlias(g.name, g.fence(), hiddenDefinition())}
	for _, index := range replaced {
		actions = append(actions, dropAlias(index, g.name+".rehearsal"))
	}
	return g.ix.updateAliases(ctx, "rehearsing the switch of alias "+g.names.live+" from "+g.before.String(), actions)
}

// roomForReplicas returns an error if the settings ask for more replicas than the cluster has nodes for. Without the
// privilege to count the nodes it returns nil, and Seal fails after Config.ReplicaTimeout instead.
func (g *generation) roomForReplicas(ctx context.Context) error {
	wanted, err := strconv.Atoi(fmt.Sprint(g.found[replicas]))
	if _, expands := g.ix.settings.create[expandReplicas]; err != nil || expands || !g.ix.settings.wait {
		return nil //nolint:nilerr // a setting that is not a number cannot be compared
	}
	var health struct {
		Nodes int `json:"number_of_data_nodes"`
	}
	req := esapi.ClusterHealthRequest{FilterPath: []string{"number_of_data_nodes"}}
	if err := call(ctx, g.ix.transport, "counting the data nodes", req, &health); err != nil || health.Nodes == 0 {
		return ctx.Err()
	}
	if wanted < health.Nodes {
		return nil
	}
	text := fmt.Sprintf("the settings ask for %d replicas, which needs %d data nodes, and the cluster has %d; "+
		"add nodes or lower number_of_replicas", wanted, wanted+1, health.Nodes)
	return reindex.Public(fmt.Errorf("esindex: %s", text), text)
}

// loading holds the settings of an index during the load: no refreshes, no replicas.
var loading = map[string]any{refreshInterval: -1, replicas: 0, expandReplicas: false, activeShards: 1}

// prepare applies the settings for the load, and checks that the index accepts writes.
func (g *generation) prepare(ctx context.Context) error {
	g.restore = map[string]any{}
	changed := maps.Clone(loading)
	for name := range loading {
		value, set := g.found[name]
		switch {
		case set:
			g.restore[name] = value
		case name == expandReplicas || name == activeShards:
			delete(changed, name)
		default:
			g.restore[name] = nil
		}
	}
	last, first := apart(changed, activeShards)
	if err := g.set(ctx, first, last); err != nil {
		return err
	}
	return g.writer(g.writeAlias()).tryWrite(ctx)
}

// tried is an index action that never writes: its sequence number does not exist, so the server answers with a
// conflict.
const tried = `{"index":{"_id":"productindex","if_seq_no":9007199254740991,"if_primary_term":9007199254740991}}` +
	"\n{}\n"

// tryWrite returns an error if the index does not accept writes. It writes nothing.
func (w writer) tryWrite(ctx context.Context) error {
	what := "trying to write to index " + w.index
	var answer struct {
		Items []struct {
			Index itemResult `json:"index"`
		} `json:"items"`
	}
	required := true
	err := call(ctx, w.ix.transport, what,
		esapi.BulkRequest{Index: w.alias, Body: strings.NewReader(tried), RequireAlias: &required}, &answer)
	if err != nil {
		return err
	}
	for _, item := range answer.Items {
		refused := &ServerError{Status: item.Index.Status, Type: item.Index.Error.Type, Reason: item.Index.Error.reason()}
		if refused.Status == http.StatusConflict || refused.Type == "" {
			continue
		}
		if hopeless(refused) ||
			slices.Contains([]string{"routing_missing_exception", "unavailable_shards_exception"}, refused.Type) {
			return classify(ctx, what, refused)
		}
	}
	return nil
}
