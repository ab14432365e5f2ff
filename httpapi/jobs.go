package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"productindex/reindex"
)

// createJob is POST /indexing/{tenant}/reindex-jobs.
func (h *handler) createJob(c *call) (response, error) {
	fields, err := h.readObject(c)
	if err != nil {
		return response{}, err
	}
	if err := checkCreation(fields); err != nil {
		return response{}, err
	}
	job, started, err := h.start(c)
	if err != nil {
		return response{}, err
	}
	if !started {
		return jsonResponse(http.StatusOK, viewJob(job)), nil
	}
	res := jsonResponse(http.StatusCreated, viewJob(job))
	res.header["Location"] = "reindex-jobs/" + job.ID // relative to the request's path: right below any prefix of the host's
	return res, nil
}

// checkCreation accepts the one entity type there is, without rag.
func checkCreation(fields map[string]json.RawMessage) error {
	entityType, given, err := stringField(fields, "entityType")
	switch {
	case err != nil:
		return err
	case !given:
		return invalid("Missing entityType", "Field 'entityType' is required, supported: "+reindex.EntityProduct)
	case entityType != reindex.EntityProduct:
		return invalid("Unsupported entityType", "Supported entity types: "+reindex.EntityProduct)
	}
	switch string(fields["rag"]) {
	case "", "false":
		return nil
	case "true":
		return invalid("Unsupported rag", "Indexing for retrieval-augmented generation is not supported")
	default:
		return invalid("Invalid rag", "Field 'rag' must be a boolean")
	}
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
		jobs, total, err = h.engine.Jobs(ctx, c.tenant, query.forStore(ctx))
		return cmp.Or(err, ctx.Err()) // what was not looked through to the end is no answer
	})
	if err != nil {
		return response{}, err
	}
	views := make([]jobView, len(jobs))
	for i, job := range jobs {
		views[i] = viewJob(job).only(query.fields)
	}
	res := jsonResponse(http.StatusOK, views)
	if strings.EqualFold(c.r.Header.Get("X-Total-Count"), "true") {
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
	fields, err := parseFields(values.Get("fields"))
	if err != nil {
		return response{}, err
	}
	id := c.params["id"]
	if !isJobID(id) {
		return response{}, noSuchJob()
	}
	var job reindex.Job
	err = h.askEngine(c.r.Context(), c, func(ctx context.Context) error {
		var err error
		job, err = h.engine.Job(ctx, c.tenant, id)
		return err
	})
	if err != nil {
		return response{}, err
	}
	return jsonResponse(http.StatusOK, viewJob(job).only(fields)), nil
}

// isJobID reports whether id may be one: letters and digits, as package reindex says. Nothing else gets to a job store.
func isJobID(id string) bool {
	for i := range len(id) {
		if !isAlphanumeric(id[i]) {
			return false
		}
	}
	return id != "" && len(id) <= 128
}

func noSuchJob() error {
	return notFound("There is no such job, or it is so old that it was forgotten")
}
