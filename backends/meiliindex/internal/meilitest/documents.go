package meilitest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// change is an upsert or a deletion of a document in a batch.
type change struct {
	task *task
	id   string
	doc  *object // nil: a deletion
}

// changeDocuments processes a batch of additions and deletions by id. A task with an invalid id, a wrong primary key or
// a document of too many fields fails alone. Any other fault of a document fails the whole batch.
func (s *Server) changeDocuments(batch []*task) {
	uid := batch[0].index
	ix := s.indexes[uid]
	if ix == nil {
		for _, t := range batch {
			t.finish(Failed, indexNotFound(uid))
		}
		return
	}
	key, changes, fault := ix.primaryKey, []change(nil), (*TaskError)(nil)
	for _, t := range batch {
		if fault != nil {
			break
		}
		if t.kind == typeDeletion {
			for _, id := range t.deletedIDs {
				changes = append(changes, change{t, id, nil})
			}
			continue
		}
		mine, k, err := planAddition(t, key)
		if err != nil {
			t.finish(Failed, err)
			continue
		}
		key = k
		fault = ix.parseDocuments(t, mine, &changes)
	}
	if fault == nil && tooManyFields(ix, changes) {
		fault = badRequest("max_fields_limit_exceeded", "A document cannot contain more than 65,535 fields.")
	}
	if fault != nil {
		fault.Message = fmt.Sprintf("Index `%s`: %s", uid, fault.Message)
		for _, t := range batch {
			if !t.ended() {
				t.finish(Failed, fault)
			}
		}
		return
	}
	ix.primaryKey = key
	s.commit(ix, batch, changes)
}

// planAddition returns the ids of the documents of a task, and the primary key of the index after the task.
func planAddition(t *task, key string) (ids []string, primaryKey string, err *TaskError) {
	documents := t.documents
	switch {
	case t.primaryKey != nil && key != "" && key != *t.primaryKey:
		return nil, "", badRequest("index_primary_key_already_exists", "Index already has a primary key: `%s`.", key)
	case t.primaryKey != nil && key == "":
		key = *t.primaryKey
	case key == "" && len(documents) > 0:
		if key, err = inferKey(documents[0]); err != nil {
			return nil, "", err
		}
	}
	for _, d := range documents {
		if len(d.fields) > maxFields {
			return nil, "", badRequest("max_fields_limit_exceeded", "A document cannot contain more than 65,535 fields.")
		}
		id, err := d.id(key)
		if err != nil {
			return nil, "", err
		}
		ids = append(ids, id)
	}
	return ids, key, nil
}

func inferKey(d rawDocument) (string, *TaskError) {
	var candidates []string
	for _, f := range d.fields {
		if strings.HasSuffix(strings.ToLower(f.name), "id") {
			candidates = append(candidates, f.name)
		}
	}
	slices.Sort(candidates)
	const hint = "Please specify the primary key manually using the `primaryKey` query parameter."
	switch len(candidates) {
	case 1:
		return candidates[0], nil
	case 0:
		return "", badRequest("index_primary_key_no_candidate_found",
			"The primary key inference failed as the engine did not find any field ending with `id` in its name. %s", hint)
	}
	return "", badRequest("index_primary_key_multiple_candidates_found",
		"The primary key inference failed as the engine found %d fields ending with `id` in their names: '%s' and '%s'. %s",
		len(candidates), candidates[0], candidates[1], hint)
}

// parseDocuments appends the changes of a task, whose ids are valid, to changes.
func (ix *index) parseDocuments(t *task, ids []string, changes *[]change) *TaskError {
	geo := ix.allows("filterableAttributes", "_geo")
	for i, d := range t.documents {
		doc := newObject()
		for _, f := range d.fields {
			if f.name == "_vectors" && f.text[0] != '{' {
				return internalError(notAMap(f.text))
			}
			v, err := parseValue(f.text)
			if err != nil {
				return internalError("internal: " + err.Error() + ".")
			}
			if f.name == "_geo" && geo {
				if err := checkGeo(ids[i], v); err != nil {
					return err
				}
			}
			doc.set(f.name, v)
		}
		*changes = append(*changes, change{t, ids[i], doc})
	}
	return nil
}

func checkGeo(id string, v any) *TaskError {
	wrong := func(format string, args ...any) *TaskError {
		return badRequest("invalid_document_geo_field", format, args...)
	}
	geo, ok := v.(*object)
	if v == nil {
		return nil
	}
	if !ok {
		return wrong("The `_geo` field in the document with the id: `\"%s\"` is not an object. Was expecting an object "+
			"with the `_geo.lat` and `_geo.lng` fields but instead got `%s`.", id, encode(v))
	}
	for _, part := range [][2]string{{"lat", "latitude"}, {"lng", "longitude"}} {
		value, ok := geo.get(part[0])
		if !ok {
			return wrong("Could not find %s in the document with the id: `\"%s\"`. Was expecting a `_geo.%s` field.",
				part[1], id, part[0])
		}
		text, isText := value.(string)
		if _, isNumber := value.(number); !isNumber && (!isText || !numeric(text)) {
			return wrong("Could not parse %s in the document with the id: `\"%s\"`. "+
				"Was expecting a finite number but instead got `%s`.", part[1], id, encode(value))
		}
	}
	return nil
}

func numeric(text string) bool {
	_, ok := parseNumber(text)
	return ok
}

func tooManyFields(ix *index, changes []change) bool {
	added := map[string]bool{}
	for _, c := range changes {
		if c.doc == nil {
			continue
		}
		for _, name := range c.doc.keys {
			if !ix.known[name] {
				added[name] = true
			}
		}
	}
	return len(ix.fields)+len(added) > maxFields
}

// commit applies the changes and ends the tasks.
func (s *Server) commit(ix *index, batch []*task, changes []change) {
	counts := map[*task]int{}
	seen := map[*task]map[string]bool{}
	for _, c := range changes {
		if c.doc == nil {
			if ix.remove(c.id) {
				counts[c.task]++
			}
			continue
		}
		if seen[c.task] == nil {
			seen[c.task] = map[string]bool{}
		}
		if !seen[c.task][c.id] {
			seen[c.task][c.id] = true
			counts[c.task]++
		}
		doc := c.doc
		if at, there := ix.places[c.id]; there && c.task.merge {
			doc = clone(ix.slots[at])
			for _, name := range c.doc.keys {
				doc.set(name, c.doc.values[name])
			}
		}
		ix.put(c.id, doc)
	}
	ix.updated = time.Now()
	for _, t := range batch {
		if t.ended() {
			continue
		}
		count := "indexedDocuments"
		if t.kind == typeDeletion {
			count = "deletedDocuments"
		}
		t.details.set(count, counts[t])
		t.finish(Succeeded, nil)
	}
}

// idOf returns the id that an element of a list of ids represents. If the element cannot be an id, no document has the
// returned one.
func idOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case number:
		return string(v)
	}
	return string(bytes.TrimSpace(encode(v)))
}
