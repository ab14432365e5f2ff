package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"productindex/reindex"
)

// Updater applies changes of single products to the live index. [*reindex.Engine] implements it; its documentation
// says what it promises.
type Updater interface {
	Update(ctx context.Context, tenant string, changes ...reindex.Change) error
	Settle(ctx context.Context, tenant string) error
	Changes(ctx context.Context, tenant string) (reindex.ChangeState, error)
}

const (
	// maxChanges is the greatest number of changes in a request.
	maxChanges = 10_000
	// maxChangeCalls is the number of requests with changes that are read and applied at the same time. More wait.
	maxChangeCalls = 16
	// maxRefusedShown is the number of refused changes that an answer lists.
	maxRefusedShown = 1000
)

const linesHint = "Send application/x-ndjson or application/jsonl, in UTF-8, without a content encoding"

// changeRoutes are served if there is a Config.Changes.
var changeRoutes = []route{
	{"/indexing/{tenant}/products/{id}", []operation{
		{method: http.MethodPut, scope: ScopeManage, serve: (*handler).putProduct},
		{method: http.MethodDelete, scope: ScopeManage, serve: (*handler).deleteProduct},
	}},
	{"/indexing/{tenant}/changes", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).getChanges},
		{method: http.MethodPost, scope: ScopeManage, serve: (*handler).postChanges},
	}},
}

// changesView is the schema ChangesResult.
type changesView struct {
	Accepted int           `json:"accepted"`
	Applied  *int          `json:"applied,omitempty"`
	Refused  int           `json:"refused"`
	Refusals []refusalView `json:"refusals"`
}

// refusalView is a change that was not accepted.
type refusalView struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// putProduct is PUT /indexing/{tenant}/products/{id}.
func (h *handler) putProduct(c *call) (response, error) {
	done, err := h.changing(c)
	if err != nil {
		return response{}, err
	}
	defer done()
	if err := checkContentType(c.r.Header); err != nil {
		return response{}, err
	}
	body, err := h.readBodyUpTo(c, h.cfg.MaxChangeBytes, changesTooLarge)
	if err != nil {
		return response{}, err
	}
	if _, err := parseObject(body); err != nil {
		return response{}, err
	}
	return h.change(c, []reindex.Change{{ID: c.params["id"], Body: body}})
}

// deleteProduct is DELETE /indexing/{tenant}/products/{id}.
func (h *handler) deleteProduct(c *call) (response, error) {
	done, err := h.changing(c)
	if err != nil {
		return response{}, err
	}
	defer done()
	return h.change(c, []reindex.Change{{ID: c.params["id"], Delete: true}})
}

// postChanges is POST /indexing/{tenant}/changes.
func (h *handler) postChanges(c *call) (response, error) {
	done, err := h.changing(c)
	if err != nil {
		return response{}, err
	}
	defer done()
	if err := checkType(c.r.Header, linesHint, "application/x-ndjson", "application/jsonl"); err != nil {
		return response{}, err
	}
	body, err := h.readBodyUpTo(c, h.cfg.MaxChangesBytes, changesTooLarge)
	if err != nil {
		return response{}, err
	}
	changes, err := parseChanges(body, h.cfg.MaxChangeBytes)
	if err != nil {
		return response{}, err
	}
	return h.change(c, changes)
}

// lagView is the schema ChangesLag.
type lagView struct {
	Waiting  int64         `json:"waiting"`
	Oldest   *time.Time    `json:"oldest,omitempty"`
	Refusals []refusalView `json:"refusals"`
}

// getChanges is GET /indexing/{tenant}/changes.
func (h *handler) getChanges(c *call) (response, error) {
	var state reindex.ChangeState
	err := h.askEngine(c.r.Context(), c, func(ctx context.Context) (err error) {
		state, err = h.cfg.Changes.Changes(ctx, c.tenant)
		return err
	})
	if err != nil {
		return response{}, err
	}
	view := lagView{Waiting: state.Lag(), Refusals: []refusalView{}}
	if since := state.Waiting.UTC(); !state.Waiting.IsZero() {
		view.Oldest = &since
	}
	for _, r := range state.Refused {
		view.Refusals = append(view.Refusals, refusalView{strings.ToValidUTF8(r.ID, "\uFFFD"), r.Reason})
	}
	return jsonResponse(http.StatusOK, view), nil
}

// changing waits for one of the places for requests with changes. Their number is limited, since bodies are held in
// memory.
func (h *handler) changing(c *call) (done func(), err error) {
	ctx, cancel := context.WithTimeout(c.r.Context(), h.cfg.EngineTimeout)
	defer cancel()
	select {
	case h.changes <- struct{}{}:
		return func() { <-h.changes }, nil
	case <-ctx.Done():
		return nil, unavailable(c.id)
	}
}

// change applies changes. If a single change is refused, it returns an error.
func (h *handler) change(c *call, changes []reindex.Change) (response, error) {
	settle, err := wantsSettled(c.r)
	if err != nil {
		return response{}, err
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), h.cfg.EngineTimeout)
	defer cancel()
	view := changesView{Accepted: len(changes), Refusals: []refusalView{}}
	if len(changes) > 0 {
		err = h.cfg.Changes.Update(ctx, c.tenant, changes...)
	}
	if refused, ok := errors.AsType[*reindex.BatchError](err); ok {
		if c.params["id"] != "" && refused.Items[0].Retryable {
			return response{}, h.changeProblem(ctx, c, err)
		}
		view.refuse(refused)
	} else if err != nil {
		return response{}, h.changeProblem(ctx, c, err)
	}
	c.attrs = append(c.attrs, slog.Int("accepted", view.Accepted), slog.Int("refused", view.Refused))
	if view.Refused > 0 && c.params["id"] != "" {
		return response{}, invalid("The change was refused", view.Refusals[0].Reason)
	}
	if settle {
		if err := h.cfg.Changes.Settle(ctx, c.tenant); err != nil {
			h.logFailure(ctx, c, "changes did not settle", err.Error()) // it is not known when searches see them
		} else {
			view.Applied = &view.Accepted
		}
	}
	return jsonResponse(http.StatusOK, view), nil
}

// refuse counts and lists changes that were refused.
func (v *changesView) refuse(refused *reindex.BatchError) {
	v.Refused = len(refused.Items)
	v.Accepted = max(0, v.Accepted-v.Refused)
	for _, item := range refused.Items[:min(len(refused.Items), maxRefusedShown)] {
		v.Refusals = append(v.Refusals, refusalView{strings.ToValidUTF8(item.ID, "\uFFFD"), refusalReason(item)})
	}
}

// refusalReason returns the reason of a refused change as callers see it; see [reindex.ItemError].
func refusalReason(item reindex.ItemError) string {
	if public, ok := errors.AsType[interface {
		error
		PublicMessage() string
	}](item.Err); ok {
		return public.PublicMessage()
	}
	if item.Err == nil {
		return "No reason was given"
	}
	return item.Err.Error()
}

// changeProblem returns the answer to an error that is about all changes of a request.
func (h *handler) changeProblem(ctx context.Context, c *call, err error) error {
	switch {
	case errors.Is(err, reindex.ErrTooManyChanges):
		return changesTooLarge("Send the changes in several requests")
	case errors.Is(err, reindex.ErrChangesFull):
		h.logFailure(ctx, c, "too many changes are waiting", err.Error())
		p := unavailable(c.id)
		p.details = append([]string{"Too many changes are waiting already; no change was accepted"}, p.details...)
		return p
	case errors.Is(err, reindex.ErrNoLiveIndex):
		return conflict("The tenant has no live index", "Reindex the tenant first; no change was accepted")
	case errors.Is(err, errors.ErrUnsupported):
		return conflict(
			"This service does not support such a change",
			"The index does not accept changes of single products, or the source cannot look up a product without a body",
			"No change was accepted",
		)
	}
	h.logFailure(ctx, c, "the engine failed", err.Error())
	p := unavailable(c.id)
	p.details = append(
		[]string{"It is not known which changes were applied; send them again, since repeating a change is harmless"},
		p.details[1:]...)
	return p
}

// changesTooLarge is the 413.
func changesTooLarge(details ...string) *problem {
	const message = "Too many or too large changes"
	return &problem{status: http.StatusRequestEntityTooLarge, message: message, details: details}
}

// wantsSettled reports whether the answer has to wait until searches see the changes.
func wantsSettled(r *http.Request) (bool, error) {
	values, err := parseQuery(r.URL.RawQuery, "settle")
	if err != nil {
		return false, err
	}
	switch settle := values.Get("settle"); {
	case !values.Has("settle"), settle == "false":
		return false, nil
	case settle == "true":
		return true, nil
	}
	return false, invalid("Invalid settle", "Parameter 'settle' must be true or false")
}

// parseChanges returns the changes of a body, one per line. Its errors are answers, and name the line.
func parseChanges(body []byte, maxLine int64) ([]reindex.Change, error) {
	var changes []reindex.Change
	number := 0
	for line := range bytes.Lines(body) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if int64(len(line)) > maxLine {
			tooLong := fmt.Sprintf("Line %d has %d bytes; at most %d are allowed", number, len(line), maxLine)
			return nil, changesTooLarge(tooLong)
		}
		if len(changes) == maxChanges {
			return nil, changesTooLarge(fmt.Sprintf("At most %d changes are allowed in a request", maxChanges))
		}
		change, err := parseChange(line)
		if err != nil {
			return nil, inLine(number, err)
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// inLine adds the number of the line to its error.
func inLine(number int, err error) error {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		return invalid("Malformed JSON", fmt.Sprintf("Line %d is not JSON", number))
	}
	text := p.message
	if len(p.details) > 0 {
		text += ": " + p.details[0]
	}
	return invalid("Invalid change", fmt.Sprintf("Line %d: %s", number, text))
}

// parseChange returns the change of a line.
func parseChange(line []byte) (change reindex.Change, err error) {
	fields, err := parseObject(line)
	if err != nil {
		return change, err
	}
	for name := range fields {
		if name != "id" && name != "body" && name != "delete" {
			return change, invalid("A change has the fields id, body and delete, and no other field")
		}
	}
	id, ok, err := stringField(fields, "id")
	if err != nil {
		return change, err
	}
	if !ok {
		return change, invalid("A change needs an id")
	}
	change.ID = id
	if raw, ok := fields["delete"]; ok && (raw[0] == 'n' || json.Unmarshal(raw, &change.Delete) != nil) {
		return change, invalid("Invalid delete", "Field 'delete' must be true or false")
	}
	body, ok := fields["body"]
	switch {
	case ok && change.Delete:
		return change, invalid("A change has either a body or delete, not both")
	case ok && body[0] != '{':
		return change, invalid("Invalid body", "Field 'body' must be an object")
	}
	change.Body = body
	return change, nil
}
