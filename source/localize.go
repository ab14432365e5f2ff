package source

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"productindex/reindex"
	"productindex/source/internal/jsonenc"
	"productindex/source/internal/rawjson"
)

// Localization configures [Localize], which rewrites maps from language to text.
//
// Such a map is an object, {"en": "Boot", "de-AT": "Stiefel"}, or an array of objects with language and value,
// [{"language": "en", "value": "Boot"}]; "locale" and "lang" are accepted instead of "language", and "text" instead of
// "value". The comparison of languages ignores case, and treats - and _ as equal. A null does not count as a text.
type Localization struct {
	// Fields are the paths of the fields that hold such maps, such as "name" or "**.label"; see [Select] for their form. A
	// value that is not a map is the same in all languages and does not change.
	Fields []string

	// Languages are the languages to keep, such as "en" and "de". If it is empty, all languages of a product are kept,
	// spelled as BCP 47 recommends: en, de-AT, zh-Hans.
	Languages []string

	// Fallback lists the languages whose text is used if there is none in the language of a document, in order of
	// preference. It needs DocumentPerLanguage.
	Fallback []string

	// DocumentPerLanguage makes one document per product and language. Each map is replaced by its text in that language,
	// or left out if there is none. The id of the document is the id of the product followed by an @ and the language. The
	// member "language" of the document is the language. If Languages is empty, a product without maps does not change.
	//
	// Otherwise a product remains one document, and each map becomes an object with the languages as its members. For
	// example, the German text of "name" is name.de, which package bleveindex analyzes as German. A map without a text to
	// keep is left out.
	DocumentPerLanguage bool
}

// Localize returns a source whose products are localized as l specifies. It passes a body that is not a JSON object on
// unchanged, and the engine rejects it. The source counts if src does and each product becomes the same number of
// documents: if Languages is set, or DocumentPerLanguage is not. Find accepts the ids of documents. Localize returns an
// error that names a malformed field path.
func Localize(src reindex.Source, l Localization) (reindex.Source, error) {
	parsed, err := parsePaths(l.Fields)
	if err != nil {
		return nil, err
	}
	if len(l.Fallback) > 0 && !l.DocumentPerLanguage {
		return nil, errors.New("source: Localization.Fallback needs DocumentPerLanguage")
	}
	for i, language := range l.Languages {
		if language == "" ||
			slices.ContainsFunc(l.Languages[:i], func(other string) bool { return sameLanguage(other, language) }) {
			return nil, fmt.Errorf("source: Localization.Languages has %q, which is empty or repeated", language)
		}
	}
	l.Languages, l.Fallback = slices.Clone(l.Languages), slices.Clone(l.Fallback)
	lo := localizer{paths: parsed, Localization: l}
	f := &flow{src: src, times: 1, change: lo.fields}
	if l.DocumentPerLanguage {
		f.times, f.change, f.origins = int64(len(l.Languages)), lo.documents, productsOf
	}
	return f.source(), nil
}

// productsOf returns the ids of the products that can become the document: each text before an @, and the id itself.
func productsOf(id string) []string {
	ids := []string{id}
	for i := 1; i < len(id); i++ {
		if id[i] == '@' {
			ids = append(ids, id[:i])
		}
	}
	return ids
}

type localizer struct {
	Localization

	paths paths
}

// fields makes one document of a product.
func (l localizer) fields(_ context.Context, _ *flowSnapshot, p reindex.Product, emit emitter) (bool, error) {
	if isObject(p.Body) {
		p.Body = l.rewrite(p.Body, l.appendFields)
	}
	return emit(p), nil
}

// documents makes one document per language.
func (l localizer) documents(_ context.Context, _ *flowSnapshot, p reindex.Product, emit emitter) (bool, error) {
	if !isObject(p.Body) {
		return emit(p), nil // so that the engine rejects the product once, with its own id
	}
	languages := l.Languages
	if len(languages) == 0 {
		languages = l.languagesOf(p.Body)
	}
	if len(languages) == 0 {
		return emit(p), nil
	}
	for _, language := range languages {
		body := l.rewrite(p.Body, func(dst, quoted []byte, texts []text) []byte {
			return l.appendText(dst, quoted, texts, language)
		})
		if !emit(reindex.Product{ID: p.ID + "@" + language, Body: withLanguage(body, language)}) {
			return false, nil
		}
	}
	return true, nil
}

// appendFields appends the member with an object of its texts, and a comma after it.
func (l localizer) appendFields(dst, quoted []byte, texts []text) []byte {
	before := len(dst)
	dst = append(append(dst, quoted...), ':', '{')
	start := len(dst)
	for _, t := range texts {
		name := t.language
		if len(l.Languages) > 0 {
			i := slices.IndexFunc(l.Languages, func(wanted string) bool { return sameLanguage(wanted, name) })
			if i < 0 {
				continue
			}
			name = l.Languages[i]
		}
		dst = append(append(append(jsonenc.AppendString(dst, name), ':'), t.value...), ',')
	}
	if len(dst) == start {
		return dst[:before]
	}
	dst[len(dst)-1] = '}' // in place of the last comma
	return append(dst, ',')
}

// appendText appends the member with its text in a language, and a comma after it.
func (l localizer) appendText(dst, quoted []byte, texts []text, language string) []byte {
	value := textIn(texts, language)
	for i := 0; value == nil && i < len(l.Fallback); i++ {
		value = textIn(texts, l.Fallback[i])
	}
	if value == nil {
		return dst
	}
	return append(append(append(append(dst, quoted...), ':'), value...), ',')
}

// languagesOf returns the languages of all maps of a product, in the order of their first occurrence.
func (l localizer) languagesOf(body []byte) []string {
	var languages []string
	l.rewrite(body, func(dst, _ []byte, texts []text) []byte {
		for _, t := range texts {
			if !slices.Contains(languages, t.language) {
				languages = append(languages, t.language)
			}
		}
		return dst
	})
	return languages
}

// withLanguage returns the object with the member "language", which replaces a member of that name.
func withLanguage(object []byte, language string) []byte {
	out := append(make([]byte, 0, len(object)+len(language)+16), `{"language":`...)
	out = jsonenc.AppendString(out, language)
	for quoted, value := range rawjson.Members(object) {
		if string(nameOf(quoted)) != "language" {
			out = append(append(append(append(out, ','), quoted...), ':'), value...)
		}
	}
	return append(out, '}')
}

// replaceMap appends the replacement of a language map: a member with a comma after it, or nothing.
type replaceMap func(dst, quoted []byte, texts []text) []byte

// rewrite returns the object with its language maps replaced.
func (l localizer) rewrite(object []byte, replace replaceMap) []byte {
	w := rewriter{paths: l.paths, replace: replace}
	w.stack = l.paths.start(w.space[:0])
	return w.object(make([]byte, 0, len(object)+64), object, w.stack)
}

type rewriter struct {
	paths   paths
	replace replaceMap
	stack   []position // the positions of all levels
	space   [32]position
}

func (w *rewriter) object(dst, object []byte, at []position) []byte {
	dst = append(dst, '{')
	start := len(dst)
	for quoted, value := range rawjson.Members(object) {
		depth := len(w.stack)
		var full bool
		w.stack, full = w.paths.step(w.stack, at, nameOf(quoted))
		var texts []text
		isMap := false
		if full {
			texts, isMap = textsOf(value)
		}
		if isMap {
			dst = w.replace(dst, quoted, texts)
		} else {
			dst = append(w.value(append(append(dst, quoted...), ':'), value, w.stack[depth:]), ',')
		}
		w.stack = w.stack[:depth]
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1] // the last comma
	}
	return append(dst, '}')
}

func (w *rewriter) value(dst, value []byte, at []position) []byte {
	switch {
	case len(at) == 0:
		return append(dst, value...)
	case value[0] == '{':
		return w.object(dst, value, at)
	case value[0] != '[':
		return append(dst, value...)
	}
	dst = append(dst, '[')
	start := len(dst)
	for element := range rawjson.Elements(value) {
		dst = append(w.value(dst, element, at), ',')
	}
	if len(dst) > start {
		dst = dst[:len(dst)-1]
	}
	return append(dst, ']')
}
