package httpapi

import (
	"context"
	"log/slog"
	"net/http"
)

// cancelJob is DELETE /indexing/{tenant}/reindex-jobs/{id}. The job is cancelled even if the caller hangs up.
func (h *handler) cancelJob(c *call) (response, error) {
	e, job, err := h.lookUp(c)
	if err != nil {
		return response{}, err
	}
	c.attrs = append(c.attrs, slog.String("job", job.ID))
	err = h.askEngine(context.WithoutCancel(c.r.Context()), c, func(ctx context.Context) error {
		return e.Cancel(ctx, c.tenant, job.ID)
	})
	if err != nil {
		return response{}, err
	}
	return response{status: http.StatusAccepted}, nil
}
