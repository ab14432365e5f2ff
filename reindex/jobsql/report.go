package jobsql

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"productindex/reindex"
)

// numbers returns the numbers of a job and of its report in the order in which they are stored. New ones must come
// last. One column for all of them is read several times as fast as a column for each.
func numbers(j *reindex.Job, phase, options *int64) [31]*int64 {
	r, d := &j.Report, &j.Report.Durations
	return [...]*int64{
		&j.Expected, &j.Processed,
		&r.Read, &r.Indexed, &r.Rejected, &r.Duplicates, &r.Expected, &r.Replaced, &r.Bytes, &r.Batches, &r.Retries,
		(*int64)(&d.Pending), (*int64)(&d.Begin), (*int64)(&d.Load), (*int64)(&d.Seal), (*int64)(&d.Commit),
		(*int64)(&d.Total),
		&r.Conflicts, (*int64)(&d.Open), &r.Ignored,
		&r.ChangesApplied, &r.ChangesRefused, &r.Added, &r.Removed, (*int64)(&d.CatchUp), (*int64)(&d.Held),
		phase, &j.InFlight, &j.BatchBytes, options, (*int64)(&d.Check),
	}
}

// phases are the phases of a job. The index of a phase is the number under which it is stored, so new ones must come
// last.
var phases = []reindex.Phase{
	"", reindex.PhasePending, reindex.PhaseOpen, reindex.PhaseBegin, reindex.PhaseLoad, reindex.PhaseRead,
	reindex.PhaseWrite, reindex.PhaseCatchUp, reindex.PhaseSeal, reindex.PhaseCheck, reindex.PhaseCommit,
}

// The bits of the number that stores the options of a job.
const (
	optionDryRun = 1 << iota
	optionDifference
	optionRollback
)

func encodeOptions(o reindex.Options) (bits int64) {
	if o.DryRun {
		bits |= optionDryRun
	}
	if o.Difference {
		bits |= optionDifference
	}
	if o.Rollback {
		bits |= optionRollback
	}
	return bits
}

func decodeOptions(bits int64) reindex.Options {
	return reindex.Options{
		DryRun: bits&optionDryRun != 0, Difference: bits&optionDifference != 0, Rollback: bits&optionRollback != 0,
	}
}

// encodeNumbers encodes the numbers of a job as a JSON array.
func encodeNumbers(j *reindex.Job) string {
	text := []byte{'['}
	phase := int64(max(0, slices.Index(phases, j.Phase)))
	options := encodeOptions(j.Options)
	for i, n := range numbers(j, &phase, &options) {
		if i > 0 {
			text = append(text, ',')
		}
		text = strconv.AppendInt(text, *n, 10)
	}
	return string(append(text, ']'))
}

var errNumbers = errors.New("the stored numbers are not a JSON array of integers")

// decodeNumbers decodes the result of encodeNumbers into j. It leaves numbers unchanged that an older version did not
// store, and ignores numbers that only a newer version has.
func decodeNumbers(text string, j *reindex.Job) error {
	if len(text) < len("[0]") || text[0] != '[' || text[len(text)-1] != ']' {
		return errNumbers
	}
	var phase, options int64
	into, n, start := numbers(j, &phase, &options), 0, 1
	for i := 1; i < len(text); i++ {
		if text[i] != ',' && i != len(text)-1 {
			continue
		}
		number, err := strconv.ParseInt(text[start:i], 10, 64)
		if err != nil {
			return errNumbers
		}
		if n < len(into) {
			*into[n] = number
		}
		n, start = n+1, i+1
	}
	j.Options = decodeOptions(options)
	if phase > 0 && phase < int64(len(phases)) {
		j.Phase = phases[phase]
	}
	return nil
}

// lists is the stored form of the lists of a report.
type lists struct {
	Rejections   []rejection `json:"rejections,omitempty"`
	DuplicateIDs []string    `json:"duplicateIds,omitempty"`
	Difference   *difference `json:"difference,omitempty"`
}

// rejection is the stored form of a [reindex.Rejection].
type rejection struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
	Where  string `json:"where,omitempty"`
}

// difference is the stored form of a [reindex.Difference].
type difference struct {
	Added           int64     `json:"added"`
	Removed         int64     `json:"removed"`
	Changed         int64     `json:"changed"`
	Unchanged       int64     `json:"unchanged"`
	Edited          int64     `json:"edited"`
	AddedIDs        []string  `json:"addedIds,omitempty"`
	RemovedIDs      []string  `json:"removedIds,omitempty"`
	ChangedProducts []changed `json:"changedProducts,omitempty"`
}

// changed is the stored form of a [reindex.ChangedProduct].
type changed struct {
	ID     string   `json:"id"`
	Fields []string `json:"fields,omitempty"`
}

func encodeDifference(d *reindex.Difference) *difference {
	if d == nil {
		return nil
	}
	out := &difference{d.Added, d.Removed, d.Changed, d.Unchanged, d.Edited, d.AddedIDs, d.RemovedIDs, nil}
	for _, p := range d.ChangedProducts {
		out.ChangedProducts = append(out.ChangedProducts, changed(p))
	}
	return out
}

func (d *difference) decode() *reindex.Difference {
	if d == nil {
		return nil
	}
	out := &reindex.Difference{
		Added: d.Added, Removed: d.Removed, Changed: d.Changed, Unchanged: d.Unchanged, Edited: d.Edited,
		AddedIDs: d.AddedIDs, RemovedIDs: d.RemovedIDs,
	}
	for _, p := range d.ChangedProducts {
		out.ChangedProducts = append(out.ChangedProducts, reindex.ChangedProduct(p))
	}
	return out
}

// encodeLists encodes the lists of the report as a JSON object. It returns "" if the report has none.
func encodeLists(r *reindex.Report) (string, error) {
	if len(r.Rejections) == 0 && len(r.DuplicateIDs) == 0 && r.Difference == nil {
		return "", nil
	}
	l := lists{DuplicateIDs: r.DuplicateIDs, Difference: encodeDifference(r.Difference)}
	for _, listed := range r.Rejections {
		l.Rejections = append(l.Rejections, rejection(listed))
	}
	text, err := json.Marshal(l)
	return string(text), err
}

// decodeLists decodes the result of encodeLists into r.
func decodeLists(text string, r *reindex.Report) error {
	if text == "" {
		return nil
	}
	var l lists
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return fmt.Errorf("decoding the stored lists of the report: %w", err)
	}
	r.DuplicateIDs, r.Difference = l.DuplicateIDs, l.Difference.decode()
	for _, listed := range l.Rejections {
		r.Rejections = append(r.Rejections, reindex.Rejection(listed))
	}
	return nil
}
