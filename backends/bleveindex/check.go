package bleveindex

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/mapping"
)

// checkMapping returns an error for a mapping that bleve would refuse or could not read back, and for fields and
// synonym sources that could never have an effect.
func checkMapping(m mapping.IndexMapping) error {
	if err := m.Validate(); err != nil {
		return fmt.Errorf("the mapping: %w", err)
	}
	encoded, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("the mapping cannot be encoded as JSON: %w", err)
	}
	var read mapping.IndexMappingImpl
	if err = json.Unmarshal(encoded, &read); err == nil {
		err = read.Validate()
	}
	if err != nil {
		return fmt.Errorf("the JSON of the mapping is not valid for a mapping.IndexMappingImpl: %w", err)
	}
	errs := []error{checkFields("", read.DefaultMapping)}
	for _, name := range slices.Sorted(maps.Keys(read.TypeMapping)) {
		errs = append(errs, checkFields("", read.TypeMapping[name]))
	}
	defined, _ := m.(*ProductMapping)
	for name := range read.CustomAnalysis.SynonymSources {
		collection := read.SynonymSourceNamed(name).Collection()
		if defined == nil || len(defined.synonyms[collection]) == 0 {
			errs = append(
				errs,
				fmt.Errorf(
					"the mapping: synonym source %q has no definitions; add them to collection %q with ProductMapping.DefineSynonyms",
					name,
					collection,
				),
			)
		}
	}
	return errors.Join(errs...)
}

// checkFields returns an error for fields that no value can reach: those below an object that is not mapped or is
// disabled.
func checkFields(path string, dm *mapping.DocumentMapping) error {
	if !dm.Enabled && len(dm.Properties)+len(dm.Fields) > 0 {
		return fmt.Errorf("the mapping: %q is disabled, but has fields; enable it, or remove the fields", path)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(dm.Properties)) {
		property := dm.Properties[name]
		if object, field, ok := cutLast(name); ok {
			errs = append(errs, fmt.Errorf("the mapping: %q is below an object that is not mapped; "+
				"add a document mapping named %q, and the field %q to it", strings.TrimPrefix(path+"."+name, "."), object, field))
			continue
		}
		errs = append(errs, checkFields(strings.TrimPrefix(path+"."+name, "."), property))
	}
	return errors.Join(errs...)
}

func cutLast(name string) (before, after string, ok bool) {
	at := strings.LastIndexByte(name, '.')
	if at <= 0 || at == len(name)-1 {
		return "", "", false
	}
	return name[:at], name[at+1:], true
}
