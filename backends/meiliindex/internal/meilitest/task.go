package meilitest

import (
	"fmt"
	"slices"
	"time"
)

// The states of a task.
const (
	Enqueued   = "enqueued"
	Processing = "processing"
	Succeeded  = "succeeded"
	Failed     = "failed"
	Canceled   = "canceled"
)

// The types of the tasks that the emulator can process.
const (
	typeDocuments   = "documentAdditionOrUpdate"
	typeDeletion    = "documentDeletion"
	typeSettings    = "settingsUpdate"
	typeCreation    = "indexCreation"
	typeDrop        = "indexDeletion"
	typeUpdate      = "indexUpdate"
	typeSwap        = "indexSwap"
	typeCancelation = "taskCancelation"
	typeTaskDelete  = "taskDeletion"
)

// task is an entry of the queue. Of the fields from documents on, only those of its type are set.
type task struct {
	uid        int
	batch      int // -1 if the task has none yet
	index      string
	noIndex    bool
	kind       string
	status     string
	canceledBy int // -1 if the task was not canceled
	details    *object
	err        *TaskError
	metadata   *string

	enqueued, started, finished time.Time

	documents  []rawDocument
	bytes      int      // the size of the documents as they were sent
	merge      bool     // documents are merged with existing ones
	deletedIDs []string // nil if all documents are deleted
	settings   *object
	primaryKey *string
	mayCreate  bool
	swaps      []swap
	targets    []int // the tasks to cancel or to delete
}

type swap struct {
	a, b   string
	rename bool
}

func (t *task) ended() bool { return t.status != Enqueued && t.status != Processing }

// names returns the uids of the indexes of the task.
func (t *task) names() []string {
	switch {
	case t.kind == typeSwap:
		var names []string
		for _, s := range t.swaps {
			names = append(names, s.a, s.b)
		}
		return names
	case t.noIndex:
		return nil
	}
	return []string{t.index}
}

func (t *task) touches(index string) bool { return slices.Contains(t.names(), index) }

func (t *task) indexUID() any {
	if t.noIndex {
		return nil
	}
	return t.index
}

// summary returns the answer to the request that enqueued the task.
func (t *task) summary() *object {
	o := newObject("taskUid", t.uid, "indexUid", t.indexUID(), "status", Enqueued, "type", t.kind,
		"enqueuedAt", stamp(t.enqueued))
	if t.metadata != nil {
		o.set("customMetadata", *t.metadata)
	}
	return o
}

// view returns the task in the format of GET /tasks/{uid}.
func (t *task) view() *object {
	o := newObject("uid", t.uid, "batchUid", orNull(t.batch), "indexUid", t.indexUID(),
		"status", t.status, "type", t.kind, "canceledBy", orNull(t.canceledBy), "details", clone(t.details),
		"error", nil, "duration", nil, "enqueuedAt", stamp(t.enqueued), "startedAt", nil, "finishedAt", nil)
	if t.kind == typeSwap {
		o.set("details", newObject("swaps", swapsView(t.swaps)))
	}
	if t.err != nil {
		o.set("error", t.err)
	}
	if !t.started.IsZero() {
		o.set("startedAt", stamp(t.started))
	}
	if !t.finished.IsZero() {
		o.set("finishedAt", stamp(t.finished))
		o.set("duration", fmt.Sprintf("PT%.9fS", t.finished.Sub(t.started).Seconds()))
	}
	if t.metadata != nil {
		o.set("customMetadata", *t.metadata)
	}
	return o
}

// clone returns a copy of an object, which shares its values.
func clone(o *object) *object { return pick(o, func(string) bool { return true }) }

func swapsView(swaps []swap) []any {
	list := []any{}
	for _, s := range swaps {
		list = append(list, newObject("indexes", []any{s.a, s.b}, "rename", s.rename))
	}
	return list
}

// orNull returns n, or nil if n is negative.
func orNull(n int) any {
	if n < 0 {
		return nil
	}
	return n
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// finish ends the task. If the task has not succeeded, its counts become 0.
func (t *task) finish(status string, err *TaskError) {
	t.status, t.err, t.finished = status, err, time.Now()
	if status == Succeeded {
		return
	}
	for _, count := range []string{"indexedDocuments", "deletedDocuments"} {
		if _, ok := t.details.get(count); ok {
			t.details.set(count, 0)
		}
	}
}
