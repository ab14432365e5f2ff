package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"productindex/reindex"
)

// modeFull is the only mode of the contract.
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
	options, err := parseOptions(c.r.URL.RawQuery, fields)
	if err != nil {
		return response{}, err
	}
	e, err := h.engineOf(reindex.EntityProduct)
	if err != nil {
		return response{}, err
	}
	if _, _, err := h.start(c, e, options); err != nil {
		if busy, ok := errors.AsType[*problem](err); ok && busy.status == http.StatusConflict {
			busy.status = http.StatusBadRequest // the contract has no other status for this path
		}
		return response{}, err
	}
	return response{status: http.StatusNoContent}, nil
}

// checkMode accepts FULL, which is also the default.
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

// starter begins runs.
type starter interface {
	StartWith(ctx context.Context, tenant string, options reindex.Options) (job reindex.Job, started bool, err error)
}

// start begins a run of the tenant, or joins the one in progress. The call does not end with the request, so that the
// run begins even if the caller hangs up.
func (h *handler) start(
	c *call, e starter, options reindex.Options,
) (job reindex.Job, started bool, err error) {
	if wait := h.triggers.take(c.tenant); wait > 0 {
		return job, false, tooManyTriggers(wait)
	}
	err = h.askEngine(context.WithoutCancel(c.r.Context()), c, func(ctx context.Context) error {
		job, started, err = e.StartWith(ctx, c.tenant, options)
		return err
	})
	if err == nil {
		c.attrs = append(c.attrs, slog.String("job", job.ID), slog.Bool("started", started))
	}
	return job, started, err
}

// askEngine calls the engine within the time limit. It logs an error of the engine, and returns one without the reason.
func (h *handler) askEngine(ctx context.Context, c *call, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.EngineTimeout)
	defer cancel()
	err := ask(ctx)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*problem)):
		return err
	case errors.Is(err, reindex.ErrJobNotFound):
		return noSuchJob()
	case errors.Is(err, reindex.ErrJobEnded):
		return conflict("The job has ended", "A job that has ended stays as it is")
	case errors.Is(err, reindex.ErrRunning):
		return conflict("Another kind of job is in progress",
			"A reindex, a dry run and a rollback never join one another, and a run with a difference joins only another "+
				"one with a difference: try again when the job in progress has ended, or cancel it")
	case errors.Is(err, errors.ErrUnsupported):
		return invalid("Unsupported difference",
			"The index of this service cannot be compared with another one: leave 'difference' out")
	default:
		h.logFailure(ctx, c, "the engine failed", err.Error())
		return unavailable(c.id)
	}
}
