package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/meilisearch/meilisearch-go"

	"productindex/reindex"
)

// errNoTask means that the server does not show a task. Either it has deleted the task, the API key may not read it, or
// the server was restored from a snapshot or a dump and gave the uid to another task.
var errNoTask = errors.New("the server shows no such task")

// errCanceled means that somebody has canceled a task.
var errCanceled = errors.New("canceled")

// taskError is the server's error of a failed task.
type taskError struct {
	uid                 int64
	kind, code, message string
	system              bool // the error is not caused by a document
}

func (e *taskError) Error() string {
	text := fmt.Sprintf("task %d (%s) failed, %s: %s", e.uid, e.kind, e.code, e.message)
	if e.code == codeNoSpace {
		text += noSpaceHint(e.message)
	}
	return text
}

// PublicMessage returns a text that callers of an API may see. See [reindex.Public].
func (e *taskError) PublicMessage() string { return publicText(e.code, e.message) }

// getTask returns the current state of a task. The error matches errNoTask if the server does not show it.
func (ix *Index) getTask(ctx context.Context, uid int64) (*meilisearch.Task, error) {
	task, err := ix.client.GetTaskWithContext(ctx, uid)
	var e *meilisearch.Error
	if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("meiliindex: task %d: %w", uid, errNoTask)
	}
	return task, explain(ctx, "tasks.get", "", err)
}

// await waits until the task has ended. If a call fails, await returns its error, and can be called again.
func (ix *Index) await(ctx context.Context, info *meilisearch.TaskInfo) (*meilisearch.Task, error) {
	var task *meilisearch.Task
	err := ix.poll(ctx, func() (done bool, err error) {
		task, err = ix.getTask(ctx, info.TaskUID)
		if err == nil && (task.Type != info.Type || task.IndexUID != info.IndexUID) {
			err = fmt.Errorf("meiliindex: task %d is %s of index %q, no longer %s of index %q: %w",
				info.TaskUID, task.Type, task.IndexUID, info.Type, info.IndexUID, errNoTask)
		}
		return err == nil && ended(task), err
	})
	return task, err
}

// awaitSuccess waits until the task has ended, and returns its error if it did not succeed.
func (ix *Index) awaitSuccess(ctx context.Context, info *meilisearch.TaskInfo) error {
	task, err := ix.await(ctx, info)
	if err != nil {
		return err
	}
	return outcome(task)
}

func ended(t *meilisearch.Task) bool {
	return t.Status != meilisearch.TaskStatusEnqueued && t.Status != meilisearch.TaskStatusProcessing
}

// outcome returns the error of a task that has ended, or nil if it succeeded.
func outcome(t *meilisearch.Task) error {
	if t.Status == meilisearch.TaskStatusSucceeded {
		return nil
	}
	if t.Status == meilisearch.TaskStatusCanceled {
		return reindex.Public(fmt.Errorf("meiliindex: task %d (%s): %w by task %d", t.UID, t.Type, errCanceled, t.CanceledBy),
			"somebody has canceled a task on the server")
	}
	system := t.Error.Type == "system" || strings.HasPrefix(t.Error.Code, codeOfIndex)
	return fmt.Errorf("meiliindex: %w", &taskError{t.UID, string(t.Type), t.Error.Code, t.Error.Message, system})
}

// failedWith reports whether err is the error of a task that failed with the code.
func failedWith(err error, code string) bool {
	failed, ok := errors.AsType[*taskError](err)
	return ok && failed.code == code
}

const firstPoll = 2 * time.Millisecond

// poll calls look until it reports done or fails. The delay between calls grows from 2 ms to Config.PollInterval.
func (ix *Index) poll(ctx context.Context, look func() (done bool, err error)) error {
	for wait := firstPoll; ; wait = min(wait*3/2, ix.cfg.PollInterval) {
		if done, err := look(); done || err != nil {
			return err
		}
		timer := time.NewTimer(min(wait, ix.cfg.PollInterval))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

var unfinished = []meilisearch.TaskStatus{meilisearch.TaskStatusEnqueued, meilisearch.TaskStatusProcessing}

// waiting returns the number of tasks that have not ended. The server counts swaps even for keys that may not read
// them.
func (ix *Index) waiting(ctx context.Context, q meilisearch.TasksQuery) (int64, error) {
	q.Statuses, q.Limit = unfinished, 1
	tasks, err := ix.client.GetTasksWithContext(ctx, &q)
	if err != nil {
		return 0, explain(ctx, "tasks.get", "", err)
	}
	return tasks.Total, nil
}

// getIndex returns the index, or nil if there is none.
func (ix *Index) getIndex(ctx context.Context, uid string) (*meilisearch.IndexResult, error) {
	found, err := ix.client.GetIndexWithContext(ctx, uid)
	if isMissing(err) {
		return nil, nil //nolint:nilnil // no index is an answer
	}
	return found, explain(ctx, "indexes.get", uid, err)
}

// countDocuments returns the number of documents in an index, or -1 if there is no such index.
func (ix *Index) countDocuments(ctx context.Context, uid string) (int64, error) {
	stats, err := ix.client.Index(uid).GetStatsWithContext(ctx, nil)
	switch {
	case isMissing(err):
		return -1, nil
	case err != nil:
		return 0, explain(ctx, "stats.get", uid, err)
	}
	return stats.NumberOfDocuments, nil
}

// remove cancels the tasks of indexes, deletes the indexes, and returns the number of deleted ones. The server
// processes the tasks of an index in order: if an earlier swap has made the index live, it has another uid by the time
// of the deletion and is not deleted.
func (ix *Index) remove(ctx context.Context, uids ...string) (removed int, err error) {
	var (
		deletions []*meilisearch.TaskInfo
		errs      []error
	)
	for _, uid := range uids {
		ix.cancelTasks(ctx, uid)
		info, err := ix.client.DeleteIndexWithContext(ctx, uid)
		if err != nil {
			errs = append(errs, explain(ctx, "indexes.delete", uid, err))
			continue
		}
		deletions = append(deletions, info)
	}
	for _, deletion := range deletions {
		err := ix.awaitSuccess(ctx, deletion)
		switch {
		case err == nil:
			removed++
		case !failedWith(err, codeIndexNotFound):
			errs = append(errs, err)
		}
	}
	return removed, errors.Join(errs...)
}

// cancelTasks cancels the waiting tasks of an index. It logs a failure, which only delays the deletion of the index.
func (ix *Index) cancelTasks(ctx context.Context, uid string) {
	query := &meilisearch.CancelTasksQuery{IndexUIDS: []string{uid}, Statuses: unfinished}
	if _, err := ix.client.CancelTasksWithContext(ctx, query); err != nil {
		ix.cfg.Logger.WarnContext(ctx, "cannot cancel the tasks of an index before its deletion", "index", uid,
			"error", explain(ctx, "tasks.cancel", uid, err))
	}
}

// staging is an index of a tenant other than the live one: that of a generation in progress, a kept one, or a mark.
type staging struct {
	stagingName

	uid        string
	created    time.Time
	primaryKey string
}

// listLimit is more than the number of indexes that a server can have, so that one answer lists all of them. With
// pages, an index would be missed if others are deleted meanwhile.
const listLimit = 1_000_000

// list returns the indexes of the tenant other than the live one.
func (ix *Index) list(ctx context.Context, tenant string) (all []staging, err error) {
	found, err := ix.client.ListIndexesWithContext(ctx, &meilisearch.IndexesQuery{Limit: listLimit})
	if err != nil {
		return nil, explain(ctx, "indexes.get", "", err)
	}
	if n := int64(len(found.Results)); n < found.Total {
		return nil, fmt.Errorf("meiliindex: the server lists %d of its %d indexes", n, found.Total)
	}
	for _, index := range found.Results {
		if n, ok := ix.parseStaging(tenant, index.UID); ok {
			all = append(all, staging{n, index.UID, index.CreatedAt, index.PrimaryKey})
		}
	}
	return all, nil
}
