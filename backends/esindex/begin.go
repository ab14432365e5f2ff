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

// discardTimeout limits how long a Begin that failed takes to delete what it has made.
const discardTimeout = 10 * time.Second

// Begin implements [reindex.Indexer]. With a fencing token in ctx (see [reindex.Fence]) it deletes the generations of
// runs with smaller ones, and fails if there is one with the same token or a greater one.
//
// It looks at what the server has made of the new index, as templates add to it: it removes aliases, and fails if the
// products could not be loaded or the index not be switched to. Faults that can be known before the load do not show
// after it.
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

// open makes the steps of Begin. If one of them fails, nothing is left.
func (g *generation) open(ctx context.Context, steps ...func(context.Context) error) error {
	for _, step := range steps {
		err := step(ctx)
		if hasType(err, typeNotFound) {
			err = g.fencedOr(ctx, err) // a newer run has deleted it
		}
		if err != nil {
			g.ix.setOpen(g.name, false)
			g.discardUnborn(ctx)
			return err
		}
	}
	return nil
}

// replaceable returns an error if a new index cannot take the place of what the alias stands for.
func (ix *Index) replaceable(n names, t target) error {
	if t.concrete && ix.cfg.KeepPrevious > 0 {
		return reindex.Public(
			fmt.Errorf("esindex: there is an index of the name %s, where the alias has to be. It cannot be kept under that name, and "+
				"KeepPrevious is set: clone it to another name and delete it, or set KeepPrevious to 0", n.live),
			"an index has the name that the tenant's alias needs, and cannot be kept under it; "+
				"clone and delete it, or set KeepPrevious to 0")
	}
	_, err := t.definition(n)
	return err
}

// discardUnborn deletes what a Begin that failed has made. The rest is left to Reap.
func (g *generation) discardUnborn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	if _, err := g.ix.discard(ctx, g.names, g.name); err != nil {
		g.ix.cfg.Logger.WarnContext(ctx, "deleting an index that cannot be used failed, a later run deletes it", "index", g.name, "error", err)
	}
}

// create creates the generation's index. Its name is random: if it exists already, an earlier try of the client has
// made it. Features that the server lacks are left out of our own settings and mappings, and remembered.
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
		err := call(ctx, g.ix.transport, what, esapi.IndicesCreateRequest{Index: g.name, WaitForActiveShards: "1", Body: jsonBody(map[string]any{
			"settings": settings.create,
			"mappings": body,
			"aliases":  g.ownAliases(),
		})}, &created)
		switch {
		case hasType(err, "resource_already_exists_exception"):
			return nil
		case hasType(err, "illegal_state_exception") && strings.Contains(err.Error(), "more than one write index"):
			return reindex.Public(
				fmt.Errorf("%w: an index template makes each new index the write index of an alias; take %q out of the template, or keep "+
					"its pattern off the indexes %s-*", permanent(err), keyWriteIndex, g.ix.cfg.Prefix),
				fmt.Sprintf("an index template makes each new index the write index of an alias; take %q out of the template", keyWriteIndex))
		case err == nil && !created.Acknowledged:
			return unacknowledged(what)
		case g.ix.abilities.learn(err, g.ix.settings, g.ix.mappings):
			continue
		}
		return err
	}
}

// inspect looks at all indexes of the tenant, now that the new one is there. It removes the aliases that a template has
// given to the new index: one of them may be the tenant's own, and searches would find an index that is still being
// loaded.
func (g *generation) inspect(ctx context.Context) error {
	entries, err := g.ix.look(ctx, g.names.live, g.names.live+"-*")
	if err != nil {
		return err
	}
	e, ok := entries[g.name]
	if !ok {
		return reindex.Temporary(reindex.Public(fmt.Errorf("esindex: index %s is gone right after it was made", g.name),
			"the new index is gone right after it was made"))
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
			g.ix.cfg.Logger.WarnContext(ctx, "a template gives an alias to every new index, it was removed", "index", g.name, "alias", alias)
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

// suits returns an error if a template has made the index one that does not take the products as they are.
func (g *generation) suits(e entry) error {
	dynamic := fmt.Sprint(e.Mappings.Dynamic)
	if strings.HasPrefix(dynamic, "strict") && !g.ix.mappings.names("dynamic") {
		return reindex.Public(
			fmt.Errorf("esindex: a template sets dynamic to %q for index %s, which rejects every product with a new field; "+
				"set dynamic in Config.Mappings, or keep the template off the indexes %s-*", dynamic, g.name, g.ix.cfg.Prefix),
			fmt.Sprintf("an index template sets dynamic to %q, which rejects every product with a new field", dynamic))
	}
	for _, pipeline := range []string{"index.default_pipeline", "index.final_pipeline"} {
		value, set := g.found[pipeline]
		if _, ours := g.ix.settings.create[pipeline]; set && value != "_none" && !ours {
			return reindex.Public(
				fmt.Errorf("esindex: a template sends the products of index %s through the pipeline %v, which can change, drop or redirect "+
					"them; set %s in Config.Settings, to that pipeline or to _none, or keep the template off the indexes %s-*",
					g.name, value, pipeline, g.ix.cfg.Prefix),
				fmt.Sprintf("an index template sets %s, and a pipeline can change, drop or redirect products", pipeline))
		}
	}
	return nil
}

// rehearse makes the calls on which a run could fail after its load, in a form that changes nothing: it counts, and
// takes an alias that does not exist from the live index.
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

// roomForReplicas returns an error if the host asks for more replicas than the cluster has nodes for. Without the
// privilege to ask for the nodes it returns nil, and Seal waits in vain.
func (g *generation) roomForReplicas(ctx context.Context) error {
	wanted, err := strconv.Atoi(fmt.Sprint(g.found[replicas]))
	if _, expands := g.ix.settings.create[expandReplicas]; err != nil || expands || !g.ix.settings.wait {
		return nil //nolint:nilerr // what is no number is not compared
	}
	var health struct {
		Nodes int `json:"number_of_data_nodes"`
	}
	req := esapi.ClusterHealthRequest{FilterPath: []string{"number_of_data_nodes"}}
	if err := call(ctx, g.ix.transport, "asking for the nodes", req, &health); err != nil || health.Nodes == 0 {
		return ctx.Err()
	}
	if wanted < health.Nodes {
		return nil
	}
	text := fmt.Sprintf("the settings ask for %d replicas, which takes %d data nodes, and the cluster has %d; "+
		"add nodes or set number_of_replicas lower", wanted, wanted+1, health.Nodes)
	return reindex.Public(fmt.Errorf("esindex: %s", text), text)
}

// loading are the settings of an index while it is loaded: no refreshes, no replicas.
var loading = map[string]any{refreshInterval: -1, replicas: 0, expandReplicas: false, activeShards: 1}

// prepare sets the settings for loading, and tries whether the index takes a product.
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

// tried is a product that is never written: it asks for a state of the index that does not exist.
const tried = `{"index":{"_id":"productindex","if_seq_no":9007199254740991,"if_primary_term":9007199254740991}}` + "\n{}\n"

// tryWrite finds out whether the index takes products, without writing one.
func (w writer) tryWrite(ctx context.Context) error {
	what := "trying to write to index " + w.index
	var answer struct {
		Items []struct {
			Index itemResult `json:"index"`
		} `json:"items"`
	}
	required := true
	err := call(ctx, w.ix.transport, what, esapi.BulkRequest{Index: w.alias, Body: strings.NewReader(tried), RequireAlias: &required}, &answer)
	if err != nil {
		return err
	}
	for _, item := range answer.Items {
		refused := &ServerError{Status: item.Index.Status, Type: item.Index.Error.Type, Reason: item.Index.Error.reason()}
		if refused.Status == http.StatusConflict || refused.Type == "" {
			continue
		}
		if hopeless(refused) || slices.Contains([]string{"routing_missing_exception", "unavailable_shards_exception"}, refused.Type) {
			return classify(ctx, what, refused)
		}
	}
	return nil
}
