package httpapi

import (
	"net/http"
	"strconv"
	"strings"

	"productindex/reindex"
)

// failureView is the schema ReindexFailure.
type failureView struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
	Where  string `json:"where,omitempty"`
}

// listFailures is GET /indexing/{tenant}/reindex-jobs/{id}/failures.
func (h *handler) listFailures(c *call) (response, error) {
	values, err := parseQuery(c.r.URL.RawQuery, "pageNumber", "pageSize")
	if err != nil {
		return response{}, err
	}
	page, err := parsePage(values)
	if err != nil {
		return response{}, err
	}
	_, job, err := h.lookUp(c)
	if err != nil {
		return response{}, err
	}
	listed := job.Report.Rejections
	first := min(page.offset(), len(listed))
	views := []failureView{}
	for _, r := range listed[first:min(first+page.size, len(listed))] {
		views = append(views, viewFailure(r))
	}
	res := jsonResponse(http.StatusOK, views)
	res.header["X-Rejected-Count"] = strconv.FormatInt(job.Report.Rejected, 10)
	if wantsTotal(c.r.Header) {
		res.header["X-Total-Count"] = strconv.Itoa(len(listed))
	}
	return res, nil
}

func viewFailure(r reindex.Rejection) failureView {
	return failureView{ID: r.ID, Reason: r.Reason, Where: publicPlace(r.Where)}
}

// publicPlace returns the part of a place that callers see. A relative place, such as "acme.jsonl, line 17", is shown
// as it is. Of a file elsewhere on the machine only the name is shown. A URL is not shown, since it can hold secrets.
func publicPlace(place string) string {
	if isRelative(place) {
		return place
	}
	file, rest, _ := strings.Cut(place, ", ")
	if strings.Contains(place, "://") || !isRelative(rest) {
		return ""
	}
	file = file[strings.LastIndexAny(file, `/\`)+1:]
	switch {
	case file == "" || !isRelative(file):
		return ""
	case rest == "":
		return file
	default:
		return file + ", " + rest
	}
}

// isRelative reports whether a place is below the source's folder: not a URL, not an absolute path of any system, and
// not a path that leads out of it.
func isRelative(place string) bool {
	return !strings.HasPrefix(place, "/") && !strings.HasPrefix(place, "~") && !strings.Contains(place, `\`) &&
		!strings.Contains(place, "..") && !strings.Contains(place, ":/") && !strings.Contains(place, " /")
}
