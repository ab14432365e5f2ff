package meilitest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

var taskStatuses = []string{Enqueued, Processing, Succeeded, Failed, Canceled}

var taskTypes = []string{
	typeDocuments, "documentEdition", typeDeletion, typeSettings, typeCreation, typeDrop, typeUpdate, typeSwap, typeCancelation,
	typeTaskDelete, "dumpCreation", "snapshotCreation", "export", "upgradeDatabase", "indexCompaction", "networkTopologyChange", "dsrUpdate",
	"dsrClear",
}

var (
	dateParams  = []string{"afterEnqueuedAt", "beforeEnqueuedAt", "afterStartedAt", "beforeStartedAt", "afterFinishedAt", "beforeFinishedAt"}
	listParams  = append([]string{"limit", "from", "reverse", "batchUids", "uids", "canceledBy", "types", "statuses", "indexUids"}, dateParams...)
	whichParams = append([]string{"uids", "batchUids", "canceledBy", "types", "statuses", "indexUids"}, dateParams...)
)

func (c *call) getTask() (answer, error) {
	uid, err := strconv.ParseUint(c.params[0], 10, 32)
	if err != nil {
		return answer{}, badRequest("invalid_task_uids", "Task uid `%s` is invalid. It should only contain numeric characters.", c.params[0])
	}
	defer c.lock()()
	t := c.s.task(int(uid))
	if t == nil || !c.maySee(t) {
		return answer{}, invalid(http.StatusNotFound, "task_not_found", "Task `%d` not found.", uid)
	}
	return ok(t.view())
}

// maySee tells whether the key sees the task. One without an index is seen by keys for every index alone.
func (c *call) maySee(t *task) bool {
	if t.noIndex {
		return c.key.sees("*")
	}
	return c.key.sees(t.index)
}

func (c *call) listTasks() (answer, error) {
	if err := c.checkParams(listParams...); err != nil {
		return answer{}, err
	}
	limit, err1 := c.number("limit", "invalid_task_limit", 20)
	from, err2 := c.number("from", "invalid_task_from", -1)
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, err
	}
	reverse, _ := c.param("reverse")
	if reverse != "" && reverse != "true" && reverse != "false" {
		return answer{}, badRequest("invalid_task_reverse",
			"Invalid value in parameter `reverse`: could not parse `%s` as a boolean, expected either `true` or `false`", reverse)
	}
	matches, err := c.taskFilter()
	if err != nil {
		return answer{}, err
	}
	defer c.lock()()
	var found []*task
	for _, t := range c.s.tasks {
		if matches(t) {
			found = append(found, t)
		}
	}
	total := len(found)
	if reverse != "true" {
		slices.Reverse(found)
	}
	if from >= 0 {
		found = slices.DeleteFunc(found, func(t *task) bool { return reverse == "true" && t.uid < from || reverse != "true" && t.uid > from })
	}
	next := any(nil)
	if len(found) > limit {
		next, found = found[limit].uid, found[:limit]
	}
	_, byIndex := c.list("indexUids")
	results, first := []any{}, any(nil)
	for _, t := range found {
		if byIndex && t.noIndex || !c.maySee(t) {
			continue
		}
		if first == nil {
			first = t.uid
		}
		results = append(results, t.view())
	}
	return ok(newObject("results", results, "total", total, "limit", limit, "from", first, "next", next))
}

// taskFilter reads the parameters that select tasks.
func (c *call) taskFilter() (func(*task) bool, error) {
	var tests []func(*task) bool
	for name, of := range map[string]func(*task) int{
		"uids": func(t *task) int { return t.uid }, "batchUids": func(t *task) int { return t.batch },
		"canceledBy": func(t *task) int { return t.canceledBy },
	} {
		values, given := c.list(name)
		if !given {
			continue
		}
		wanted := map[int]bool{}
		for _, v := range values {
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				code := map[string]string{"uids": "invalid_task_uids", "batchUids": "invalid_batch_uids", "canceledBy": "invalid_task_canceled_by"}[name]
				return nil, badRequest(code, "Invalid value in parameter `%s`: could not parse `%s` as a positive integer", name, v)
			}
			wanted[int(n)] = true
		}
		tests = append(tests, func(t *task) bool { return wanted[of(t)] })
	}
	if values, given := c.list("statuses"); given {
		if err := oneOf(values, taskStatuses, "statuses", "status", "statuses"); err != nil {
			return nil, err
		}
		tests = append(tests, func(t *task) bool {
			return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, t.status) })
		})
	}
	if values, given := c.list("types"); given {
		if err := oneOf(values, taskTypes, "types", "type", "types"); err != nil {
			return nil, err
		}
		tests = append(tests, func(t *task) bool {
			return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, t.kind) })
		})
	}
	if values, given := c.list("indexUids"); given {
		for _, v := range values {
			if !validUID(v) {
				return nil, badRequest("invalid_index_uid", "Invalid value in parameter `indexUids`: `%s` %s", v, uidRule)
			}
		}
		tests = append(tests, func(t *task) bool { return slices.ContainsFunc(values, t.touches) })
	}
	dates, err := c.dateFilter()
	if err != nil {
		return nil, err
	}
	tests = append(tests, dates...)
	return func(t *task) bool {
		return !slices.ContainsFunc(tests, func(test func(*task) bool) bool { return !test(t) })
	}, nil
}

func oneOf(values, names []string, param, what, plural string) error {
	for _, v := range values {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, v) }) {
			return badRequest("invalid_task_"+plural, "Invalid value in parameter `%s`: `%s` is not a valid task %s. Available %s are `%s`.", param, v,
				what, plural, strings.Join(names, "`, `"))
		}
	}
	return nil
}

func (c *call) dateFilter() (tests []func(*task) bool, err error) {
	for _, name := range dateParams {
		text, given := c.param(name)
		if !given || text == "*" {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			at, err = time.Parse(time.DateOnly, text)
		}
		if err != nil {
			return nil, badRequest("invalid_task_"+snake(name), "Invalid value in parameter `%s`: `%s` is an invalid date-time. It should follow "+
				"the YYYY-MM-DD or RFC 3339 date-time format.", name, text)
		}
		tests = append(tests, func(t *task) bool {
			when := t.enqueued
			switch {
			case strings.Contains(name, "Started"):
				when = t.started
			case strings.Contains(name, "Finished"):
				when = t.finished
			}
			return !when.IsZero() && (strings.HasPrefix(name, "after") == when.After(at))
		})
	}
	return tests, nil
}

func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (c *call) cancelTasks() (answer, error) {
	return c.enqueueOnTasks(typeCancelation, "cancel", "canceledTasks")
}

func (c *call) deleteTasks() (answer, error) {
	return c.enqueueOnTasks(typeTaskDelete, "delete", "deletedTasks")
}

func (c *call) enqueueOnTasks(kind, verb, counter string) (answer, error) {
	if err := c.checkParams(whichParams...); err != nil {
		return answer{}, err
	}
	if c.r.URL.RawQuery == "" {
		return answer{}, badRequest("missing_task_filters", "Query parameters to filter the tasks to %s are missing. Available query parameters "+
			"are: `uids`, `indexUids`, `statuses`, `types`, `canceledBy`, `beforeEnqueuedAt`, `afterEnqueuedAt`, `beforeStartedAt`, "+
			"`afterStartedAt`, `beforeFinishedAt`, `afterFinishedAt`.", verb)
	}
	matches, err := c.taskFilter()
	if err != nil {
		return answer{}, err
	}
	defer c.lock()()
	_, byIndex := c.list("indexUids")
	t := &task{noIndex: true, kind: kind}
	for _, other := range c.s.tasks {
		if matches(other) && (!byIndex || !other.noIndex) && c.maySee(other) {
			t.targets = append(t.targets, other.uid)
		}
	}
	t.details = newObject("matchedTasks", len(t.targets), counter, nil, "originalFilter", "?"+c.r.URL.RawQuery)
	return ok(c.s.enqueue(t))
}
