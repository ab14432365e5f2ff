package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"productindex/httpapi/internal/jobquery"
	"productindex/reindex"
)

// createJob is POST /indexing/{tenant}/reindex-jobs.
func (h *handler) createJob(c *call) (response, error) {
	fields, err := h.readObject(c)
	if err != nil {
		return response{}, err
	}
	e, err := h.engineFor(fields)
	if err != nil {
		return response{}, err
	}
	options, err := parseOptions(c.r.URL.RawQuery, fields)
	if err != nil {
		return response{}, err
	}
	job, started, err := h.start(c, e, options)
	if err != nil {
		return response{}, err
	}
	if !started {
		return jsonResponse(http.StatusOK, jobquery.Show(h.engines.shown(job))), nil
	}
	res := jsonResponse(http.StatusCreated, jobquery.Show(h.engines.shown(job)))
	res.header["Location"] = "reindex-jobs/" + job.ID // relative to the request's path, so that the host's prefix stays
	return res, nil
}

// engineFor returns the engine of the entity type in the request, with rag or without.
func (h *handler) engineFor(fields map[string]json.RawMessage) (Engine, error) {
	entityType, given, err := stringField(fields, "entityType")
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, invalid("Missing entityType", "Field 'entityType' is required; supported: "+h.engines.entityTypes())
	}
	switch string(fields["rag"]) {
	case "", no:
		return h.engineOf(entityType)
	case yes:
		return h.engineWithRAG(entityType)
	default:
		return nil, invalid("Invalid rag", "Field 'rag' must be a boolean")
	}
}

// engineOf returns the engine of an entity type.
func (h *handler) engineOf(entityType string) (Engine, error) {
	e := h.engines.of(entityType)
	if e == nil {
		return nil, invalid("Unsupported entityType", "Supported entity types: "+h.engines.entityTypes())
	}
	return e, nil
}

// engineWithRAG returns the engine of products for retrieval-augmented generation.
func (h *handler) engineWithRAG(entityType string) (Engine, error) {
	switch {
	case h.engines.rag == nil:
		return nil, invalid(
			"Unsupported rag",
			"This service has no index for retrieval-augmented generation: leave field 'rag' out, or set it to false",
		)
	case entityType != reindex.EntityProduct:
		return nil, invalid("Unsupported rag", "Only "+reindex.EntityProduct+" is indexed for retrieval-augmented generation")
	}
	return h.engines.rag, nil
}

// listJobs is GET /indexing/{tenant}/reindex-jobs.
func (h *handler) listJobs(c *call) (response, error) {
	query, err := parseJobQuery(c.r.URL.RawQuery)
	if err != nil {
		return response{}, err
	}
	var jobs []reindex.Job
	var total int
	err = h.askEngine(c.r.Context(), c, func(ctx context.Context) error {
		var err error
		jobs, total, err = h.engines.jobs(ctx, c.tenant, query.forStore(ctx, h.engines.shown))
		return cmp.Or(err, ctx.Err()) // a list that was not searched to its end is not an answer
	})
	if err != nil {
		return response{}, err
	}
	views := make([]jobquery.View, len(jobs))
	for i, job := range jobs {
		views[i] = query.fields.Of(jobquery.Show(h.engines.shown(job)))
	}
	res := jsonResponse(http.StatusOK, views)
	if wantsTotal(c.r.Header) {
		res.header["X-Total-Count"] = strconv.Itoa(total)
	}
	return res, nil
}

// getJob is GET /indexing/{tenant}/reindex-jobs/{id}.
func (h *handler) getJob(c *call) (response, error) {
	values, err := parseQuery(c.r.URL.RawQuery, "fields")
	if err != nil {
		return response{}, err
	}
	fields, err := jobquery.ParseFields(values.Get("fields"))
	if err != nil {
		return response{}, err
	}
	_, job, err := h.lookUp(c)
	if err != nil {
		return response{}, err
	}
	return jsonResponse(http.StatusOK, fields.Of(jobquery.Show(h.engines.shown(job)))), nil
}

// lookUp finds the job that the path names, and the engine that knows it.
func (h *handler) lookUp(c *call) (e Engine, job reindex.Job, err error) {
	id := c.params["id"]
	if !isJobID(id) {
		return nil, job, noSuchJob()
	}
	err = h.askEngine(c.r.Context(), c, func(ctx context.Context) error {
		e, job, err = h.engines.job(ctx, c.tenant, id)
		return err
	})
	return e, job, err
}

// isJobID reports whether id has only letters and digits, as those of package reindex. Other ids do not reach a job
// store.
func isJobID(id string) bool {
	for i := range len(id) {
		if !isAlphanumeric(id[i]) {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func noSuchJob() error {
	return notFound("There is no such job, or it is so old that it was removed")
}
