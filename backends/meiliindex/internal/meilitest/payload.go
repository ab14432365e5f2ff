package meilitest

import (
	"slices"
	"strings"
)

// rawDocument is a document as it was sent. The values of its fields are parsed when its task is processed.
type rawDocument struct {
	text   []byte
	fields []rawField
}

type rawField struct {
	name string
	text []byte
}

const maxFields = 65535

// readJSON reads a body of the content type application/json, which has a list of documents, or one document.
func readJSON(body []byte) ([]rawDocument, error) {
	s := &scanner{data: body}
	var texts [][]byte
	switch s.next() {
	case '[':
		if err := s.elements(func(v []byte) { texts = append(texts, v) }); err != nil {
			return nil, err
		}
	case '{':
		text, err := s.value()
		if err != nil {
			return nil, err
		}
		if !s.done() {
			return nil, s.fail(s.pos+1, "trailing characters")
		}
		texts = append(texts, text)
	default:
		if _, err := s.value(); err != nil {
			return nil, err
		}
		return nil, scanError{"data are neither an object nor a list of objects"}
	}
	return readDocuments(texts)
}

// readNDJSON reads a body of the content type application/x-ndjson. As on the server, the documents need not be
// separated by line feeds.
func readNDJSON(body []byte) ([]rawDocument, error) {
	s := &scanner{data: body}
	var texts [][]byte
	for !s.done() {
		text, err := s.value()
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return readDocuments(texts)
}

func readDocuments(texts [][]byte) ([]rawDocument, error) {
	documents := make([]rawDocument, 0, len(texts))
	for _, text := range texts {
		if text[0] != '{' {
			return nil, internalError(notAMap(text))
		}
		d := rawDocument{text: text}
		s := &scanner{data: text}
		err := s.members(func(key, value []byte) {
			p := &parser{scanner: scanner{data: key}}
			name, err := p.string()
			if err != nil {
				name = string(key)
			}
			d.fields = append(d.fields, rawField{name, value})
		})
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

func (d *rawDocument) field(name string) ([]byte, bool) {
	for _, f := range slices.Backward(d.fields) { // the last of several fields with the same name counts
		if f.name == name {
			return f.text, true
		}
	}
	return nil, false
}

// key returns the JSON text of the primary key: the field with this name or, if there is none, the field at this path.
func (d *rawDocument) key(name string) ([]byte, bool) {
	if text, ok := d.field(name); ok {
		return text, true
	}
	head, rest, nested := strings.Cut(name, ".")
	text, ok := d.field(head)
	if !nested || !ok || text[0] != '{' {
		return nil, false
	}
	inner, err := readDocuments([][]byte{text})
	if err != nil {
		return nil, false
	}
	return inner[0].key(rest)
}

// id returns the id of the document, given the name of the primary key. The ids 1 and "1" are equal.
func (d *rawDocument) id(key string) (string, *TaskError) {
	text, ok := d.key(key)
	if !ok {
		return "", badRequest("missing_document_id", "Document doesn't have a `%s` attribute: `%s`.",
			key, compact(d.text))
	}
	value, err := parseValue(text)
	if err != nil {
		return "", internalError(err.Error())
	}
	switch v := value.(type) {
	case string:
		if validDocumentID(v) {
			return v, nil
		}
	case number:
		if !strings.ContainsAny(string(v), ".e") {
			return string(v), nil
		}
	}
	return "", badRequest("invalid_document_id", "Document identifier `%s` %s", encode(value), idRule)
}

// compact returns a JSON text as the server shows it, or unchanged if it cannot be parsed.
func compact(text []byte) []byte {
	v, err := parseValue(text)
	if err != nil {
		return text
	}
	return encode(v)
}
