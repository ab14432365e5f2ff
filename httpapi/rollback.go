package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// Rollbacker goes back to generations of the index that were live. [*reindex.Engine] implements it; its documentation
// says what it promises.
type Rollbacker interface {
	StartWith(ctx context.Context, tenant string, options reindex.Options) (job reindex.Job, started bool, err error)
	Generations(ctx context.Context, tenant string) ([]reindex.GenerationInfo, error)
}

// rollbackRoutes are served if there is a Config.Rollbacks.
var rollbackRoutes = []route{
	{"/indexing/{tenant}/rollback", []operation{
		{method: http.MethodPost, scope: ScopeManage, serve: (*handler).rollBack},
	}},
	{"/indexing/{tenant}/generations", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).listGenerations},
	}},
}

// generationView is the schema Generation.
type generationView struct {
	Name       string `json:"name"`
	Live       bool   `json:"live"`
	CreatedAt  string `json:"createdAt,omitempty"`
	ReplacedAt string `json:"replacedAt,omitempty"`
	Documents  *int64 `json:"documents,omitempty"`
	Bytes      *int64 `json:"bytes,omitempty"`
	JobID      string `json:"jobId,omitempty"`
}

// maxGenerationName is the length of the longest name of a generation that a request may give, in bytes.
const maxGenerationName = 512

// rollBack is POST /indexing/{tenant}/rollback.
func (h *handler) rollBack(c *call) (response, error) {
	fields, err := h.readObject(c)
	if err != nil {
		return response{}, err
	}
	options, err := parseRollback(c.r.URL.RawQuery, fields)
	if err != nil {
		return response{}, err
	}
	job, started, err := h.start(c, backStarter{h.cfg.Rollbacks}, options)
	if err != nil {
		return response{}, err
	}
	res := jsonResponse(http.StatusAccepted, jobquery.Show(h.engines.shown(job)))
	if !started {
		res.status = http.StatusOK
	}
	res.header["Location"] = "reindex-jobs/" + job.ID // relative to the request's path
	return res, nil
}

// backStarter begins rollbacks.
type backStarter struct{ Rollbacker }

// StartWith begins a rollback. If the index cannot go back, the error is worded for this endpoint.
func (b backStarter) StartWith(
	ctx context.Context, tenant string, options reindex.Options,
) (job reindex.Job, started bool, err error) {
	// If the list is not known, the job finds out.
	if infos, err := b.Generations(ctx, tenant); err == nil {
		if err := mayGoBack(infos, options.Generation); err != nil {
			return job, false, err
		}
	}
	job, started, err = b.Rollbacker.StartWith(ctx, tenant, options)
	if errors.Is(err, errors.ErrUnsupported) {
		err = invalid("Unsupported rollback",
			"The index of this service keeps no generations, or cannot be compared with another one")
	}
	return job, started, err
}

// mayGoBack returns the refusal if no generation, or none of that name, is kept.
func mayGoBack(infos []reindex.GenerationInfo, name string) error {
	kept := func(info reindex.GenerationInfo) bool { return !info.Live }
	if name == "" && !slices.ContainsFunc(infos, kept) {
		return conflict("There is nothing to go back to", "The index keeps no generation that was live before")
	}
	named := func(info reindex.GenerationInfo) bool { return info.Name == name }
	if name != "" && !slices.ContainsFunc(infos, named) {
		return conflict("There is no such generation to go back to",
			"The names of those that are kept are at /indexing/{tenant}/generations")
	}
	return nil
}

// parseRollback returns the options of a rollback. A field with another name is refused, as it could be meant for the
// generation.
func parseRollback(rawQuery string, fields map[string]json.RawMessage) (options reindex.Options, err error) {
	for name := range fields {
		if name != "generation" && name != "dryRun" && name != "difference" {
			return options, invalid("Unknown field", "The fields are generation, dryRun and difference")
		}
	}
	if options, err = parseOptions(rawQuery, fields); err != nil {
		return options, err
	}
	options.Rollback = true
	name, given, err := stringField(fields, "generation")
	if err != nil {
		return options, err
	}
	if given && (name == "" || len(name) > maxGenerationName) {
		return options, invalid("Invalid generation", "Field 'generation' is a name from the list of generations")
	}
	options.Generation = name
	return options, nil
}

// listGenerations is GET /indexing/{tenant}/generations.
func (h *handler) listGenerations(c *call) (response, error) {
	var infos []reindex.GenerationInfo
	err := h.askEngine(c.r.Context(), c, func(ctx context.Context) (err error) {
		infos, err = h.cfg.Rollbacks.Generations(ctx, c.tenant)
		if errors.Is(err, errors.ErrUnsupported) {
			err = nil // an index that keeps no generations
		}
		return err
	})
	if err != nil {
		return response{}, err
	}
	views := make([]generationView, len(infos))
	for i, info := range infos {
		views[i] = viewGeneration(info)
	}
	c.attrs = append(c.attrs, slog.Int("generations", len(views)))
	return jsonResponse(http.StatusOK, views), nil
}

func viewGeneration(info reindex.GenerationInfo) generationView {
	view := generationView{Name: info.Name, Live: info.Live, JobID: info.Job}
	if !info.Created.IsZero() {
		view.CreatedAt = jobquery.Timestamp(info.Created)
	}
	if !info.Replaced.IsZero() {
		view.ReplacedAt = jobquery.Timestamp(info.Replaced)
	}
	if info.Documents >= 0 {
		view.Documents = &info.Documents
	}
	if info.Bytes >= 0 {
		view.Bytes = &info.Bytes
	}
	return view
}
