package meilitest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// routes is a function, since the handlers refer to the server, and the server to the routes.
var routes = sync.OnceValue(func() []route {
	return []route{
		{"GET", "/version", "version", noBody, (*call).version},
		{"GET", "/indexes", "indexes.get", noBody, (*call).listIndexes},
		{"POST", "/indexes", "indexes.create", jsonBody, (*call).createIndex},
		{"GET", "/indexes/*", "indexes.get", noBody, (*call).getIndex},
		{"PATCH", "/indexes/*", "indexes.update", jsonBody, (*call).updateIndex},
		{"DELETE", "/indexes/*", "indexes.delete", noBody, (*call).deleteIndex},
		{"GET", "/indexes/*/stats", "stats.get", noBody, (*call).indexStats},
		{"GET", "/indexes/*/documents", "documents.get", noBody, (*call).listDocuments},
		{"POST", "/indexes/*/documents/fetch", "documents.get", jsonBody, (*call).fetchDocuments},
		{"POST", "/indexes/*/documents", "documents.add", documentsBody, (*call).addDocuments},
		{"PUT", "/indexes/*/documents", "documents.add", documentsBody, (*call).addDocuments},
		{"DELETE", "/indexes/*/documents", "documents.delete", noBody, (*call).deleteAllDocuments},
		{"DELETE", "/indexes/*/documents/*", "documents.delete", noBody, (*call).deleteDocument},
		{"POST", "/indexes/*/documents/delete-batch", "documents.delete", jsonBody, (*call).deleteDocuments},
		{"GET", "/indexes/*/settings", "settings.get", noBody, (*call).getSettings},
		{"PATCH", "/indexes/*/settings", "settings.update", jsonBody, (*call).patchSettings},
		{"DELETE", "/indexes/*/settings", "settings.update", noBody, (*call).resetSettings},
		{"PUT", "/indexes/*/settings/facet-search", "settings.update", jsonBody, (*call).putFacetSearch},
		{"POST", "/indexes/*/search", "search", jsonBody, (*call).search},
		{"POST", "/swap-indexes", "indexes.swap", jsonBody, (*call).swapIndexes},
		{"GET", "/tasks", "tasks.get", noBody, (*call).listTasks},
		{"DELETE", "/tasks", "tasks.delete", noBody, (*call).deleteTasks},
		{"POST", "/tasks/cancel", "tasks.cancel", noBody, (*call).cancelTasks},
		{"GET", "/tasks/*", "tasks.get", noBody, (*call).getTask},
		{"POST", "/keys", "keys.create", jsonBody, (*call).createKey},
	}
})

func (c *call) version() (answer, error) {
	return ok(newObject("commitSha", "unknown", "commitDate", "unknown", "pkgVersion", c.s.Version))
}

// lock locks the server, and returns the function that unlocks it.
func (c *call) lock() func() {
	c.s.mu.Lock()
	return c.s.mu.Unlock
}

// index returns the index in the path. The caller holds the lock.
func (c *call) index() (*index, error) {
	if ix := c.s.indexes[c.params[0]]; ix != nil {
		return ix, nil
	}
	return nil, indexNotFound(c.params[0])
}

func (c *call) indexStats() (answer, error) {
	defer c.lock()()
	if _, err := c.index(); err != nil {
		return answer{}, err
	}
	return ok(c.s.statsView(c.params[0]))
}

func (c *call) listIndexes() (answer, error) {
	if err := c.checkParams("offset", "limit"); err != nil {
		return answer{}, err
	}
	offset, err1 := c.number("offset", "invalid_index_offset", 0)
	limit, err2 := c.number("limit", "invalid_index_limit", 20)
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, err
	}
	defer c.lock()()
	var views []*object
	for _, uid := range c.s.sortedIndexes() {
		if c.key.sees(uid) {
			views = append(views, c.s.indexView(uid))
		}
	}
	return ok(newObject("results", list(page(views, offset, limit)), "offset", offset, "limit", limit,
		"total", len(views)))
}

func (c *call) getIndex() (answer, error) {
	defer c.lock()()
	if _, err := c.index(); err != nil {
		return answer{}, err
	}
	return ok(c.s.indexView(c.params[0]))
}

func (c *call) createIndex() (answer, error) {
	body, err := c.object("uid", "primaryKey")
	if err != nil {
		return answer{}, err
	}
	v, there := body.get("uid")
	uid, isText := v.(string)
	switch {
	case !there:
		return answer{}, badRequest("missing_index_uid", "Missing field `uid`")
	case !isText:
		return answer{}, wrongType(".uid", "invalid_index_uid", "a string", v)
	case !validUID(uid):
		return answer{}, badRequest("invalid_index_uid", "Invalid value at `.uid`: `%s` %s", uid, uidRule)
	case !c.key.sees(uid):
		return answer{}, invalidKey()
	}
	key, err := member(body, "primaryKey", "invalid_index_primary_key")
	if err != nil {
		return answer{}, err
	}
	defer c.lock()()
	return accepted(c.s.enqueue(&task{index: uid, kind: typeCreation, primaryKey: key,
		details: newObject("primaryKey", textOrNull(key))}))
}

func textOrNull(s *string) any {
	if s == nil {
		return nil
	}
	return *s
}

func (c *call) deleteIndex() (answer, error) {
	defer c.lock()()
	return accepted(c.s.enqueue(&task{index: c.params[0], kind: typeDrop, details: newObject("deletedDocuments", nil)}))
}

func (c *call) listDocuments() (answer, error) {
	if err := c.checkParams("offset", "limit", "fields"); err != nil {
		return answer{}, err
	}
	offset, err1 := c.number("offset", "invalid_document_offset", 0)
	limit, err2 := c.number("limit", "invalid_document_limit", 20)
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, err
	}
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	all := ix.documents()
	results := page(all, offset, limit)
	if fields, some := c.list("fields"); some {
		for i, d := range results {
			results[i] = pick(d, func(name string) bool { return slices.Contains(fields, name) })
		}
	}
	return ok(newObject("results", list(results), "offset", offset, "limit", limit, "total", len(all)))
}

// fetchDocuments returns a page of documents. The emulator has no embedders, so it returns vectors as they were sent.
func (c *call) fetchDocuments() (answer, error) {
	body, err := c.object("offset", "limit", "retrieveVectors")
	if err != nil {
		return answer{}, err
	}
	offset, err1 := count(body, "offset", "invalid_document_offset", 0)
	limit, err2 := count(body, "limit", "invalid_document_limit", 20)
	if err := errors.Join(err1, err2); err != nil {
		return answer{}, err
	}
	vectors, _ := body.get("retrieveVectors")
	defer c.lock()()
	ix, err := c.index()
	if err != nil {
		return answer{}, err
	}
	all := ix.documents()
	if vectors == true {
		all = ix.withVectors()
	}
	return ok(newObject("results", list(page(all, offset, limit)), "offset", offset, "limit", limit, "total", len(all)))
}

func (c *call) addDocuments() (answer, error) {
	if err := c.checkParams("primaryKey", "customMetadata"); err != nil {
		return answer{}, err
	}
	read, kind := readJSON, "json"
	if c.ndjson {
		read, kind = readNDJSON, "ndjson"
	}
	documents, err := read(c.body)
	if malformed := (scanError{}); errors.As(err, &malformed) {
		err = badRequest("malformed_payload",
			"The `%s` payload provided is malformed. `Couldn't serialize document value: %s`.", kind, err)
	}
	if err != nil {
		return answer{}, err
	}
	t := &task{
		index: c.params[0], kind: typeDocuments, mayCreate: c.key.allows("indexes.create"), documents: documents,
		bytes: len(c.body), merge: c.r.Method == http.MethodPut, metadata: c.metadata(),
		details: newObject("receivedDocuments", len(documents), "indexedDocuments", nil),
	}
	if key, there := c.param("primaryKey"); there {
		t.primaryKey = &key
	}
	defer c.lock()()
	return accepted(c.s.enqueue(t))
}

func (c *call) metadata() *string {
	if text, there := c.param("customMetadata"); there {
		return &text
	}
	return nil
}

// updateIndex sets the primary key. The emulator renames indexes only in swaps.
func (c *call) updateIndex() (answer, error) {
	body, err := c.object("primaryKey")
	if err != nil {
		return answer{}, err
	}
	key, err := member(body, "primaryKey", "invalid_index_primary_key")
	if err != nil {
		return answer{}, err
	}
	defer c.lock()()
	return accepted(c.s.enqueue(&task{index: c.params[0], kind: typeUpdate, primaryKey: key,
		details: newObject("primaryKey", textOrNull(key))}))
}

func (c *call) deleteAllDocuments() (answer, error) {
	defer c.lock()()
	return accepted(c.s.enqueue(&task{
		index: c.params[0], kind: typeDeletion, metadata: c.metadata(), details: newObject("deletedDocuments", nil),
	}))
}

func (c *call) deleteDocument() (answer, error) { return c.enqueueDeletion([]string{c.params[1]}) }

func (c *call) deleteDocuments() (answer, error) {
	v, err := c.json()
	if err != nil {
		return answer{}, err
	}
	list, isList := v.([]any)
	if !isList {
		return answer{}, badRequest("bad_request",
			"Json deserialize error: invalid type: map, expected a sequence at line 1 column 0")
	}
	ids := []string{}
	for _, e := range list {
		ids = append(ids, idOf(e))
	}
	return c.enqueueDeletion(ids)
}

func (c *call) enqueueDeletion(ids []string) (answer, error) {
	defer c.lock()()
	return accepted(c.s.enqueue(&task{
		index: c.params[0], kind: typeDeletion, metadata: c.metadata(), deletedIDs: ids,
		details: newObject("providedIds", len(ids), "deletedDocuments", nil, "originalFilter", nil),
	}))
}

func (c *call) swapIndexes() (answer, error) {
	v, err := c.json()
	if err != nil {
		return answer{}, err
	}
	list, isList := v.([]any)
	if !isList {
		return answer{}, wrongType("", "bad_request", "an array", v)
	}
	var (
		swaps []swap
		names []string
	)
	for i, e := range list {
		sw, err := c.parseSwap(i, e)
		if err != nil {
			return answer{}, err
		}
		swaps = append(swaps, sw)
		names = append(names, sw.a, sw.b)
	}
	for _, name := range names {
		if !c.key.sees(name) {
			return answer{}, invalidKey()
		}
	}
	if twice := repeated(names); len(twice) > 0 {
		verb := "was"
		if len(twice) > 1 {
			verb = "were"
		}
		return answer{}, badRequest("invalid_swap_duplicate_index_found",
			"Indexes must be declared only once during a swap. `%s` %s specified several times.",
			strings.Join(twice, "`, `"), verb)
	}
	defer c.lock()()
	return accepted(c.s.enqueue(&task{noIndex: true, kind: typeSwap, swaps: swaps, details: newObject()}))
}

// repeated returns the sorted names that are in the list more than once.
func repeated(names []string) []string {
	var twice []string
	for i, name := range names {
		if slices.Contains(names[:i], name) && !slices.Contains(twice, name) {
			twice = append(twice, name)
		}
	}
	slices.Sort(twice)
	return twice
}

func (c *call) parseSwap(i int, v any) (swap, error) {
	o, isObject := v.(*object)
	if !isObject {
		return swap{}, wrongType(sprintf("[%d]", i), "bad_request", "an object", v)
	}
	fields := []string{"indexes", "rename"}
	if c.s.beforeRename() {
		fields = fields[:1]
	}
	if err := known(o, sprintf(" inside `[%d]`", i), fields); err != nil {
		return swap{}, err
	}
	v, there := o.get("indexes")
	list, isList := v.([]any)
	switch {
	case !there:
		return swap{}, badRequest("missing_swap_indexes", "Missing field `indexes` inside `[%d]`", i)
	case !isList:
		return swap{}, wrongType(sprintf("[%d].indexes", i), "invalid_swap_indexes", "an array", v)
	}
	var names []string
	for j, e := range list {
		name, isText := e.(string)
		if !isText {
			return swap{}, wrongType(sprintf("[%d].indexes[%d]", i, j), "invalid_swap_indexes", "a string", e)
		}
		if !validUID(name) {
			return swap{}, badRequest("invalid_swap_indexes", "Invalid value at `[%d].indexes[%d]`: `%s` %s",
				i, j, name, uidRule)
		}
		names = append(names, name)
	}
	if len(names) != 2 {
		shown := strings.ReplaceAll(string(encode(list)), ",", ", ")
		return swap{}, badRequest("invalid_swap_indexes",
			"Two indexes must be given for each swap. The list `%s` contains %d indexes.", shown, len(names))
	}
	rename := false
	if v, there := o.get("rename"); there {
		if rename, isObject = v.(bool); !isObject {
			return swap{}, wrongType(sprintf("[%d].rename", i), "invalid_swap_rename", "a boolean", v)
		}
	}
	return swap{names[0], names[1], rename}, nil
}

// beforeRename reports whether the version of the server is before 1.18. Such a server cannot rename indexes in swaps.
func (s *Server) beforeRename() bool {
	major, rest, _ := strings.Cut(s.Version, ".")
	text, _, _ := strings.Cut(rest, ".")
	minor, err := strconv.Atoi(text)
	return err == nil && (major == "0" || major == "1" && minor < 18)
}
