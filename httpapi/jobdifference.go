package httpapi

import (
	"net/http"

	"productindex/reindex"
)

// differenceView is the schema ReindexDifference.
type differenceView struct {
	Added           int64         `json:"addedCount"`
	Removed         int64         `json:"removedCount"`
	Changed         int64         `json:"changedCount"`
	Unchanged       int64         `json:"unchangedCount"`
	Edited          int64         `json:"editedCount"`
	AddedIDs        []string      `json:"added"`
	RemovedIDs      []string      `json:"removed"`
	ChangedProducts []changedView `json:"changed"`
}

// changedView is the schema ReindexChangedProduct.
type changedView struct {
	ID     string   `json:"id"`
	Fields []string `json:"fields"`
}

// jobDifference is GET /indexing/{tenant}/reindex-jobs/{id}/difference.
func (h *handler) jobDifference(c *call) (response, error) {
	_, job, err := h.lookUp(c)
	if err != nil {
		return response{}, err
	}
	if job.Report.Difference == nil {
		return response{}, notFound("The job was not asked for the difference, or has not determined it yet")
	}
	return jsonResponse(http.StatusOK, viewDifference(job.Report.Difference)), nil
}

func viewDifference(d *reindex.Difference) differenceView {
	view := differenceView{
		Added: d.Added, Removed: d.Removed, Changed: d.Changed, Unchanged: d.Unchanged, Edited: d.Edited,
		AddedIDs: append([]string{}, d.AddedIDs...), RemovedIDs: append([]string{}, d.RemovedIDs...),
		ChangedProducts: []changedView{},
	}
	for _, p := range d.ChangedProducts {
		view.ChangedProducts = append(view.ChangedProducts, changedView{p.ID, append([]string{}, p.Fields...)})
	}
	return view
}
