package httpapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
)

// modeFull is the one mode of the contract.
const modeFull = "FULL"

// reindex is POST /indexing/{tenant}/reindex.
func (h *handler) reindex(c *call) (response, error) {
	fields, err := h.readObject(c)
	if err != nil {
		return response{}, err
	}
	if err := checkMode(fields); err != nil {
		return response{}, err
	}
	if _, _, err := h.start(c); err != nil {
		return response{}, err
	}
	return response{status: http.StatusNoContent}, nil
}

// checkMode accepts FULL, which is also what the absence of a mode means.
func checkMode(fields map[string]json.RawMessage) error {
	mode, given, err := stringField(fields, "mode")
	if err != nil {
		return err
	}
	if given && mode != modeFull {
		return invalid("Unsupported mode", "Supported modes: "+modeFull)
	}
	return nil
}

// start begins a run of the tenant, or joins the one in progress. A caller who hangs up at this point has asked for the run all the
// same, so the call does not end with the request.
func (h *handler) start(c *call) (job reindexJob, started bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), h.cfg.EngineTimeout)
	defer cancel()
	job, started, err = h.engine.Start(ctx, c.tenant)
	if err != nil {
		h.logFailure(c, "the engine did not start a run", err.Error())
		return job, false, err
	}
	c.attrs = append(c.attrs, slog.String("job", job.ID), slog.Bool("started", started))
	return job, started, nil
}
