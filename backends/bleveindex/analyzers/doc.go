// Package analyzers registers bleve's analyzers for products, under names that the mapping of package bleveindex gives
// to fields. A program that opens such an index with bleve alone imports this package for its side effect:
//
//	import _ "productindex/backends/bleveindex/analyzers"
//
// [Words] is the analyzer of text in any language. Its words are those of Unicode's rules for word boundaries; scripts
// that are written without spaces become overlapping pairs of characters. HTML tags are left out, and entities are
// characters. Words are folded: case, accents, width, apostrophes, and ways to encode the same letter do not matter. A
// light stemming crosses singular and plural. No word is left out for being frequent.
//
// [Keyword] makes one folded term of a whole value. [For] returns the analyzer of a language, which stems in its way,
// and folds too.
package analyzers
