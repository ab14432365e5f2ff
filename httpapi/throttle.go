package httpapi

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"productindex/reindex/throttle"
)

// Throttle limits how fast the products of each tenant are read. [*throttle.Throttle] implements it.
type Throttle interface {
	Limits(tenant string) throttle.Limits
	SetLimits(tenant string, l throttle.Limits) error
}

// throttleRoutes are served if there is a Config.Throttle.
var throttleRoutes = []route{
	{"/indexing/{tenant}/throttle", []operation{
		{method: http.MethodGet, scope: ScopeView, serve: (*handler).getThrottle},
		{method: http.MethodPut, scope: ScopeManage, serve: (*handler).putThrottle},
	}},
}

// throttleView is the schema Throttle.
type throttleView struct {
	DocumentsPerSecond float64     `json:"documentsPerSecond"`
	BytesPerSecond     float64     `json:"bytesPerSecond"`
	Paused             bool        `json:"paused"`
	Window             *windowView `json:"window,omitempty"`
}

// windowView is a time of the day.
type windowView struct {
	From     string `json:"from"`
	To       string `json:"to"`
	TimeZone string `json:"timeZone"`
}

// clockLayout is a time on a clock.
const clockLayout = "15:04"

// getThrottle is GET /indexing/{tenant}/throttle.
func (h *handler) getThrottle(c *call) (response, error) {
	return jsonResponse(http.StatusOK, viewThrottle(h.cfg.Throttle.Limits(c.tenant))), nil
}

// putThrottle is PUT /indexing/{tenant}/throttle.
func (h *handler) putThrottle(c *call) (response, error) {
	body, err := h.readBody(c)
	if err != nil {
		return response{}, err
	}
	if err := checkContentType(c.r.Header); err != nil {
		return response{}, err
	}
	limits, err := parseThrottle(body)
	if err != nil {
		return response{}, err
	}
	if err := h.cfg.Throttle.SetLimits(c.tenant, limits); err != nil {
		return response{}, invalid("Invalid limits",
			"Limits are numbers that are not negative, and a window begins and ends at different times")
	}
	c.attrs = append(c.attrs, slog.Any("limits", viewThrottle(limits)))
	return h.getThrottle(c)
}

// parseThrottle returns the limits of a body. A missing limit means no limit. An unknown field is refused, since it may
// be a misspelt limit.
func parseThrottle(body []byte) (limits throttle.Limits, err error) {
	fields, err := parseObject(body)
	if err != nil {
		return limits, err
	}
	for name, raw := range fields {
		if raw[0] == 'n' { // null is neither a limit nor the absence of one
			return limits, invalid("Invalid limits", "Field '"+name+"' must not be null")
		}
	}
	var view throttleView
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&view); err != nil {
		return limits, invalid("Invalid limits",
			"The fields are the numbers documentsPerSecond and bytesPerSecond, paused, and window",
			"A window has from, to and timeZone")
	}
	limits = throttle.Limits{Documents: view.DocumentsPerSecond, Bytes: view.BytesPerSecond, Paused: view.Paused}
	if view.Window != nil {
		limits.Window, err = view.Window.parse()
	}
	return limits, err
}

func (w windowView) parse() (*throttle.Window, error) {
	from, errFrom := time.Parse(clockLayout, w.From)
	to, errTo := time.Parse(clockLayout, w.To)
	if errFrom != nil || errTo != nil || len(w.From) != len(clockLayout) || len(w.To) != len(clockLayout) {
		return nil, invalid("Invalid window", "Fields 'from' and 'to' are times such as 22:00")
	}
	location, err := time.LoadLocation(w.TimeZone)
	if err != nil || w.TimeZone == "" || strings.EqualFold(w.TimeZone, "Local") {
		return nil, invalid("Invalid window", "Field 'timeZone' is a name such as Europe/Berlin")
	}
	midnight, _ := time.Parse(clockLayout, "00:00")
	return &throttle.Window{From: from.Sub(midnight), To: to.Sub(midnight), Location: location}, nil
}

func viewThrottle(l throttle.Limits) throttleView {
	view := throttleView{DocumentsPerSecond: l.Documents, BytesPerSecond: l.Bytes, Paused: l.Paused}
	if w := l.Window; w != nil {
		clock := func(d time.Duration) string { return time.Time{}.Add(d).Format(clockLayout) }
		view.Window = &windowView{From: clock(w.From), To: clock(w.To), TimeZone: time.UTC.String()}
		if w.Location != nil {
			view.Window.TimeZone = w.Location.String()
		}
	}
	return view
}
