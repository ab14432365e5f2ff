package meiliindex

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/meilisearch/meilisearch-go"
)

// errNoTask: the server knows no such task, or does not show it to the key.
var errNoTask = errors.New("the server shows no such task")

// taskError is a task that did not succeed, in the server's words.
type taskError struct {
	uid                 int64
	kind, code, message string
	system              bool
}

func (e *taskError) Error() string {
	text := fmt.Sprintf("task %d (%s) failed, %s: %s", e.uid, e.kind, e.code, e.message)
	if e.code == codeNoSpace {
		text += noSpaceHint(e.message)
	}
	return text
}

// getTask asks for a task once.
func (ix *Index) getTask(ctx context.Context, uid int64) (*meilisearch.Task, error) {
	task, err := ix.client.GetTaskWithContext(ctx, uid)
	var e *meilisearch.Error
	if errors.As(err, &e) && e.StatusCode == http.StatusNotFound {
		return nil, fmt.Errorf("meiliindex: task %d: %w", uid, errNoTask)
	}
	return task, explain(ctx, "tasks.get", "", err)
}

// await waits until the task has ended. A call that fails ends it; the task may then be awaited again.
func (ix *Index) await(ctx context.Context, uid int64) (*meilisearch.Task, error) {
	var task *meilisearch.Task
	err := ix.poll(ctx, func() (done bool, err error) {
		task, err = ix.getTask(ctx, uid)
		return err == nil && ended(task), err
	})
	return task, err
}

// awaitSuccess waits until the task has ended, and returns its error where it did not succeed.
func (ix *Index) awaitSuccess(ctx context.Context, uid int64) error {
	task, err := ix.await(ctx, uid)
	if err != nil {
		return err
	}
	return outcome(task)
}

func ended(t *meilisearch.Task) bool {
	return t.Status != meilisearch.TaskStatusEnqueued && t.Status != meilisearch.TaskStatusProcessing
}

// outcome is nil for a task that succeeded.
func outcome(t *meilisearch.Task) error {
	if t.Status == meilisearch.TaskStatusSucceeded {
		return nil
	}
	if t.Status == meilisearch.TaskStatusCanceled {
		return fmt.Errorf("meiliindex: task %d (%s) was canceled by task %d", t.UID, t.Type, t.CanceledBy)
	}
	return fmt.Errorf("meiliindex: %w",
		&taskError{t.UID, string(t.Type), t.Error.Code, t.Error.Message, t.Error.Type == "system" || t.Error.Code == codeIndexNotFound})
}

// failedWith reports whether err is that of a task that failed with that code.
func failedWith(err error, code string) bool {
	failed, ok := errors.AsType[*taskError](err)
	return ok && failed.code == code
}

const firstPoll = 2 * time.Millisecond

// poll calls look until it is done or fails, with waits that grow from 2 ms to Config.PollInterval.
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

// waiting counts tasks that have not ended. The server counts swaps also for keys that it does not show them to.
func (ix *Index) waiting(ctx context.Context, q meilisearch.TasksQuery) (int64, error) {
	q.Statuses, q.Limit = unfinished, 1
	tasks, err := ix.client.GetTasksWithContext(ctx, &q)
	if err != nil {
		return 0, explain(ctx, "tasks.get", "", err)
	}
	return tasks.Total, nil
}

// getIndex returns the index, nil where there is none.
func (ix *Index) getIndex(ctx context.Context, uid string) (*meilisearch.IndexResult, error) {
	found, err := ix.client.GetIndexWithContext(ctx, uid)
	if isMissing(err) {
		return nil, nil //nolint:nilnil // no index is an answer
	}
	return found, explain(ctx, "indexes.get", uid, err)
}

// countDocuments returns the number of documents in an index, -1 where there is no such index.
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

// deleteIndex deletes an index and waits for it. It reports whether there was one.
func (ix *Index) deleteIndex(ctx context.Context, uid string) (existed bool, err error) {
	info, err := ix.client.DeleteIndexWithContext(ctx, uid)
	if err != nil {
		return false, explain(ctx, "indexes.delete", uid, err)
	}
	err = ix.awaitSuccess(ctx, info.TaskUID)
	if failedWith(err, codeIndexNotFound) {
		return false, nil
	}
	return err == nil, err
}
