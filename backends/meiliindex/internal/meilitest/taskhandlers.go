package meilitest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

var taskStatuses = []string{Enqueued, Processing, Succeeded, Failed, Canceled}

var taskTypes = []string{
	typeDocuments, "documentEdition", typeDeletion, typeSettings, typeCreation, typeDrop, typeUpdate, typeSwap,
	typeCancelation, typeTaskDelete, "dumpCreation", "snapshotCreation", "export", "upgradeDatabase",
	"indexCompaction", "networkTopologyChange", "dsrUpdate", "dsrClear",
}

// whichParams are the parameters that select tasks.
var whichParams = []string{"uids", "types", "statuses", "indexUids"}

func (c *call) getTask() (answer, error) {
	uid, err := strconv.ParseUint(c.params[0], 10, 32)
	if err != nil {
		return answer{}, badRequest("invalid_task_uids",
			"Task uid `%s` is invalid. It should only contain numeric characters.", c.params[0])
	}
	defer c.lock()()
	t := c.s.task(int(uid))
	if t == nil || !c.maySee(t) {
		return answer{}, invalid(http.StatusNotFound, "task_not_found", "Task `%d` not found.", uid)
	}
	return ok(t.view())
}

// maySee reports whether the key can read the task. Only a key for all indexes can read a task without an index.
func (c *call) maySee(t *task) bool {
	if t.noIndex {
		return c.key.sees("*")
	}
	return c.key.sees(t.index)
}

func (c *call) listTasks() (answer, error) {
	if err := c.checkParams(append([]string{"limit"}, whichParams...)...); err != nil {
		return answer{}, err
	}
	limit, err := c.number("limit", "invalid_task_limit", 20)
	if err != nil {
		return answer{}, err
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
	slices.Reverse(found)
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

// taskFilter returns a function that reports whether the parameters select a task.
func (c *call) taskFilter() (func(*task) bool, error) {
	var tests []func(*task) bool
	if values, given := c.list("uids"); given {
		wanted := map[int]bool{}
		for _, v := range values {
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				return nil, badRequest("invalid_task_uids",
					"Invalid value in parameter `uids`: could not parse `%s` as a positive integer", v)
			}
			wanted[int(n)] = true
		}
		tests = append(tests, func(t *task) bool { return wanted[t.uid] })
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
	return func(t *task) bool {
		return !slices.ContainsFunc(tests, func(test func(*task) bool) bool { return !test(t) })
	}, nil
}

func oneOf(values, names []string, param, what, plural string) error {
	for _, v := range values {
		if !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, v) }) {
			return badRequest("invalid_task_"+plural,
				"Invalid value in parameter `%s`: `%s` is not a valid task %s. Available %s are `%s`.", param, v,
				what, plural, strings.Join(names, "`, `"))
		}
	}
	return nil
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
		return answer{}, badRequest("missing_task_filters",
			"Query parameters to filter the tasks to %s are missing. Available query parameters are: `uids`, `indexUids`, "+
				"`statuses`, `types`, `canceledBy`, `beforeEnqueuedAt`, `afterEnqueuedAt`, `beforeStartedAt`, "+
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
