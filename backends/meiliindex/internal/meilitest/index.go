package meilitest

import (
	"slices"
	"strings"
	"time"
)

// index is an emulated index.
type index struct {
	primaryKey       string // empty if the index has none yet
	created, updated time.Time
	settings         *object         // the settings that were set; all others have their defaults
	fields           []string        // in the order in which they first appeared in documents
	known            map[string]bool // the names in fields
	slots            []*object       // the documents in internal order; nil in place of a deleted one
	places           map[string]int  // the slots by the ids of the documents
}

func (s *Server) createIndex(uid string) *index {
	now := time.Now()
	if !now.After(s.lastCreated) {
		now = s.lastCreated.Add(time.Nanosecond) // each index has another creation time
	}
	s.lastCreated = now
	ix := &index{created: now, updated: now, settings: newObject(), known: map[string]bool{}, places: map[string]int{}}
	s.indexes[uid] = ix
	return ix
}

func (ix *index) count() int { return len(ix.places) }

// put stores a document, with its fields in the order of the index.
func (ix *index) put(id string, doc *object) {
	for _, name := range doc.keys {
		if !ix.known[name] {
			ix.known[name] = true
			ix.fields = append(ix.fields, name)
		}
	}
	ordered := newObject()
	if len(doc.keys) < 100 {
		order := slices.Clone(doc.keys)
		rank := make(map[string]int, len(ix.fields))
		for i, name := range ix.fields {
			rank[name] = i
		}
		slices.SortFunc(order, func(a, b string) int { return rank[a] - rank[b] })
		for _, name := range order {
			ordered.set(name, doc.values[name])
		}
	} else {
		ordered = doc
	}
	if at, ok := ix.places[id]; ok {
		ix.slots[at] = ordered
		return
	}
	at := slices.Index(ix.slots, nil)
	if ix.count() == len(ix.slots) || at < 0 {
		at = len(ix.slots)
		ix.slots = append(ix.slots, nil)
	}
	ix.slots[at], ix.places[id] = ordered, at
}

func (ix *index) remove(id string) bool {
	at, ok := ix.places[id]
	if ok {
		ix.slots[at] = nil
		delete(ix.places, id)
	}
	return ok
}

func (ix *index) clear() int {
	n := ix.count()
	ix.slots, ix.places = nil, map[string]int{}
	return n
}

// documents returns all documents in internal order, without _vectors.
func (ix *index) documents() []*object {
	docs := make([]*object, 0, ix.count())
	for _, d := range ix.slots {
		if d != nil {
			docs = append(docs, pick(d, func(name string) bool { return name != "_vectors" }))
		}
	}
	return docs
}

// withVectors returns all documents in internal order, each with a field _vectors.
func (ix *index) withVectors() []*object {
	docs := make([]*object, 0, ix.count())
	for _, d := range ix.slots {
		if d != nil {
			d = clone(d)
			if _, there := d.get("_vectors"); !there {
				d.set("_vectors", newObject())
			}
			docs = append(docs, d)
		}
	}
	return docs
}

func pick(d *object, keep func(name string) bool) *object {
	out := newObject()
	for _, k := range d.keys {
		if keep(k) {
			out.set(k, d.values[k])
		}
	}
	return out
}

func (s *Server) indexView(uid string) *object {
	ix := s.indexes[uid]
	key := any(nil)
	if ix.primaryKey != "" {
		key = ix.primaryKey
	}
	return newObject("uid", uid, "createdAt", stamp(ix.created), "updatedAt", stamp(ix.updated), "primaryKey", key)
}

func (s *Server) statsView(uid string) *object {
	ix := s.indexes[uid]
	counts := map[string]int{}
	for _, d := range ix.slots {
		if d != nil {
			for _, k := range d.keys {
				counts[k]++
			}
		}
	}
	names := make([]string, 0, len(counts))
	for name := range counts {
		names = append(names, name)
	}
	slices.Sort(names)
	fields := newObject()
	for _, name := range names {
		fields.set(name, counts[name])
	}
	busy := slices.ContainsFunc(s.current, func(t *task) bool { return t.index == uid })
	return newObject("numberOfDocuments", ix.count(), "rawDocumentDbSize", 0, "avgDocumentSize", 0, "isIndexing", busy,
		"numberOfEmbeddings", 0, "numberOfEmbeddedDocuments", 0, "fieldDistribution", fields)
}

func (s *Server) sortedIndexes() []string {
	uids := make([]string, 0, len(s.indexes))
	for uid := range s.indexes {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return uids
}

func (s *Server) create(t *task) {
	if s.indexes[t.index] != nil {
		t.finish(Failed, badRequest("index_already_exists", "Index `%s` already exists.", t.index))
		return
	}
	ix := s.createIndex(t.index)
	if t.primaryKey != nil {
		ix.primaryKey = *t.primaryKey
	}
	t.finish(Succeeded, nil)
}

func (s *Server) update(t *task) {
	ix := s.indexes[t.index]
	switch {
	case ix == nil:
		t.finish(Failed, indexNotFound(t.index))
	case t.primaryKey != nil && ix.count() > 0 && *t.primaryKey != ix.primaryKey:
		t.finish(Failed, badRequest("index_primary_key_already_exists",
			"Index `%s`: Index already has a primary key: `%s`.", t.index, ix.primaryKey))
	default:
		if t.primaryKey != nil {
			ix.primaryKey = *t.primaryKey
		}
		ix.updated = time.Now()
		t.finish(Succeeded, nil)
	}
}

// renameTasks renames the indexes in the tasks whose uids are smaller than before.
func (s *Server) renameTasks(before int, names map[string]string) {
	for _, t := range s.tasks {
		if t.uid >= before {
			return
		}
		if name, ok := names[t.index]; ok {
			t.index = name
		}
		for i := range t.swaps {
			if name, ok := names[t.swaps[i].a]; ok {
				t.swaps[i].a = name
			}
			if name, ok := names[t.swaps[i].b]; ok {
				t.swaps[i].b = name
			}
		}
	}
}

func (s *Server) swap(t *task) {
	if err := s.checkSwaps(t.swaps); err != nil {
		t.finish(Failed, err)
		return
	}
	names := map[string]string{}
	for _, sw := range t.swaps {
		a, b := s.indexes[sw.a], s.indexes[sw.b]
		s.indexes[sw.b], names[sw.a] = a, sw.b
		if sw.rename {
			delete(s.indexes, sw.a)
			continue
		}
		s.indexes[sw.a], names[sw.b] = b, sw.a
	}
	s.renameTasks(t.uid, names)
	t.finish(Succeeded, nil)
}

func (s *Server) checkSwaps(swaps []swap) *TaskError {
	var missing, taken []string
	conflict := swap{}
	for _, sw := range swaps {
		if s.indexes[sw.a] == nil {
			missing = append(missing, sw.a)
		}
		switch {
		case !sw.rename && s.indexes[sw.b] == nil:
			missing = append(missing, sw.b)
		case sw.rename && s.indexes[sw.b] != nil:
			taken, conflict = append(taken, sw.b), sw
		}
	}
	switch {
	case len(missing) > 0:
		return indexNotFound(missing...)
	case len(taken) == 1:
		return badRequest("index_already_exists",
			"Cannot rename `%s` to `%s` as the index already exists. "+
				"Hint: You can remove `%s` first and then do your remove.", conflict.a, conflict.b, conflict.b)
	case len(taken) > 1:
		return badRequest("index_already_exists",
			"The following indexes are being renamed but cannot because their new name conflicts with an already existing "+
				"index: `%s`. Renaming doesn't overwrite the other index name.", strings.Join(taken, "`, `"))
	}
	return nil
}

// dropIndex processes a batch that ends with the deletion of the index. The tasks before the deletion succeed without
// any effect.
func (s *Server) dropIndex(batch []*task) {
	ix, uid := s.indexes[batch[0].index], batch[0].index
	delete(s.indexes, uid)
	for i, t := range batch {
		switch {
		case i < len(batch)-1:
			if t.kind == typeDocuments {
				t.details.set("indexedDocuments", 0)
			}
			t.finish(Succeeded, nil)
		case ix == nil && len(batch) == 1:
			t.finish(Failed, indexNotFound(uid))
		case ix == nil:
			t.details.set("deletedDocuments", 0)
			t.finish(Succeeded, nil)
		default:
			t.details.set("deletedDocuments", ix.count())
			t.finish(Succeeded, nil)
		}
	}
}

// clearIndex processes a batch that ends with the deletion of all documents. The tasks before the deletion succeed
// without any effect.
func (s *Server) clearIndex(batch []*task) {
	ix := s.indexes[batch[0].index]
	for i, t := range batch {
		switch {
		case ix == nil:
			t.finish(Failed, indexNotFound(t.index))
		case i < len(batch)-1:
			t.finish(Succeeded, nil)
		default:
			t.details.set("deletedDocuments", ix.clear())
			t.finish(Succeeded, nil)
		}
	}
}
