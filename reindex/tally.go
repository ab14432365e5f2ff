package reindex

import "fmt"

// tally accounts for the products of one generation, in the report of its run and by their ids.
type tally struct {
	cfg    *Config
	record *record
	ids    *idSet // of all products that were read
	bad    *idSet // of the rejected ones

	hashes *idHashes // of the ids of the products that were not rejected, if another process is to compare them
}

func newTally(cfg *Config, r *record) *tally {
	return &tally{cfg: cfg, record: r, ids: newIDSet(), bad: newIDSet()}
}

// count adds to the report the counts of a batch that was read, and returns the new state of the job.
func (t *tally) count(c Report) Job {
	return t.record.change(func(j *Job) {
		r := &j.Report
		r.Read += c.Read
		r.Bytes += c.Bytes
		r.Duplicates += c.Duplicates
		r.Conflicts += c.Conflicts
		r.Rejected += c.Rejected
		t.list(r, c.Rejections...)
		r.DuplicateIDs = append(r.DuplicateIDs,
			c.DuplicateIDs[:min(len(c.DuplicateIDs), t.cfg.ReportItems-len(r.DuplicateIDs))]...)
	})
}

// list adds rejections to a report that has room for them.
func (t *tally) list(r *Report, rejections ...Rejection) {
	room := max(0, t.cfg.ReportItems-len(r.Rejections))
	r.Rejections = append(r.Rejections, rejections[:min(room, len(rejections))]...)
}

// rejected counts n rejected products and lists them.
func (t *tally) rejected(n int64, rejections ...Rejection) Job {
	for _, rejection := range rejections {
		t.exclude(rejection.ID)
	}
	return t.record.change(func(j *Job) {
		j.Report.Rejected += n
		t.list(&j.Report, rejections...)
	})
}

// exclude records that a product was rejected.
func (t *tally) exclude(id string) {
	t.bad.add(id, nil)
	if t.hashes != nil {
		t.hashes.remove(id)
	}
}

// reject does the same as rejected while products are still being read. It returns an error once the run can no longer
// succeed.
func (t *tally) reject(rejections ...Rejection) error {
	if len(rejections) == 0 {
		return nil
	}
	return t.hopeless(t.rejected(int64(len(rejections)), rejections...))
}

// hopeless returns an error once the run can no longer succeed and its report is full, since reading on would not add
// anything to it.
func (t *tally) hopeless(job Job) error {
	if len(job.Report.Rejections) < t.cfg.ReportItems {
		return nil
	}
	return t.cfg.checkRejected(job.Report.Rejected)
}

// holds reports whether a product was read and not rejected.
func (t *tally) holds(id string) bool { return t.ids.has(id) && !t.bad.has(id) }

// refusedLate counts the products that the index refused after Write had returned. They are rejected instead of
// indexed.
func (t *tally) refusedLate(late []ItemError) error {
	failed := make(map[string]struct{}, len(late))
	rejections := make([]Rejection, 0, min(len(late), t.cfg.ReportItems))
	for _, item := range late {
		if _, twice := failed[item.ID]; twice || !t.ids.has(item.ID) {
			return fmt.Errorf("the index reported product %q as failed, which was not sent to it or was reported before: a "+
				"defect of the Indexer", shortID(item.ID))
		}
		failed[item.ID] = struct{}{}
		t.exclude(item.ID)
		if len(rejections) < t.cfg.ReportItems {
			rejections = append(rejections, Rejection{ID: item.ID, Reason: reason(item.Err)})
		}
	}
	t.record.change(func(j *Job) { j.Report.Indexed -= int64(len(late)) })
	t.rejected(int64(len(late)), rejections...)
	return nil
}
