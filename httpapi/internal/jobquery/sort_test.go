package jobquery

import (
	"errors"
	"testing"

	"productindex/httpapi/internal/jobquery/jobquerytest"
)

func TestSort(t *testing.T) {
	for _, tc := range []struct{ sort, want string }{
		{"", jobquerytest.EveryJob},
		{" ", jobquerytest.EveryJob},
		{"id", "J1 J2 J3 J4 J5 J6 J7 J8"},
		{"id:asc", "J1 J2 J3 J4 J5 J6 J7 J8"},
		{"id:desc", jobquerytest.EveryJob},
		{"id:DESC", jobquerytest.EveryJob},
		{"id:Desc", jobquerytest.EveryJob},
		{"id:ASC", "J1 J2 J3 J4 J5 J6 J7 J8"},
		{"readCount:desc,id", "J1 J3 J6 J5 J8 J2 J4 J7"},
		{"phase", "J4 J1 J3 J8 J7 J6 J2 J5"},
		{"durations.loadMillis:desc,id", "J3 J5 J1 J2 J4 J6 J7 J8"},
		{"entityType", "J7 J8 J6 J5 J4 J3 J2 J1"},
		{"status", "J6 J5 J3 J2 J8 J7 J4 J1"},
		{"status:desc", "J4 J1 J7 J8 J6 J5 J3 J2"},
		{"expectedCount", "J7 J6 J2 J4 J5 J3 J1 J8"},
		{"expectedCount:desc", "J8 J1 J3 J5 J4 J7 J6 J2"},
		{"processedCount", "J7 J4 J2 J5 J8 J6 J3 J1"},
		{"message", "J8 J7 J5 J4 J1 J6 J2 J3"},
		{"message:desc", "J3 J2 J6 J8 J7 J5 J4 J1"},
		{"metadata.createdAt", "J1 J2 J3 J4 J5 J6 J7 J8"},
		{"metadata.createdAt:desc", jobquerytest.EveryJob},
		{"metadata.modifiedAt:asc", "J1 J2 J3 J4 J5 J6 J7 J8"},
		{"status,processedCount", "J2 J5 J6 J3 J8 J7 J4 J1"},
		{" status:asc , processedCount:desc ", "J6 J3 J5 J2 J8 J7 J1 J4"},
		{"status,expectedCount:desc,id", "J3 J5 J2 J6 J8 J7 J1 J4"},
	} {
		if got := selected(t, "", tc.sort); got != tc.want {
			t.Errorf("%s: got %q, want %q", tc.sort, got, tc.want)
		}
	}
}

func TestSortIsRefused(t *testing.T) {
	for _, tc := range []struct{ sort, detail string }{
		{"name", "At character 1: " + needsField},
		{"metadata", "At character 1: " + needsField},
		{"ID", "At character 1: " + needsField},
		{",", "At character 1: " + needsField},
		{"id,", "At character 4: " + needsField},
		{"id,,status", "At character 4: " + needsField},
		{"id, Köln", "At character 5: " + needsField},
		{":asc", "At character 1: " + needsField},
		{"-id", "At character 1: " + needsField},
		{"id status", "At character 1: " + needsField},
		{"id:", "At character 1: the direction of field 'id' is asc or desc"},
		{"id:up", "At character 1: the direction of field 'id' is asc or desc"},
		{"status,id:DESCENDING", "At character 8: the direction of field 'id' is asc or desc"},
		{"id:asc:desc", "At character 1: the direction of field 'id' is asc or desc"},
		{"id,status,id:desc", "At character 11: field 'id' is given twice"},
		{"id\xff", "At character 1: " + needsField},
	} {
		_, err := ParseSort(tc.sort)
		if wrong, ok := errors.AsType[*Error](err); !ok || *wrong != (Error{"Invalid sort", tc.detail}) {
			t.Errorf("%s: got %v, want %q", tc.sort, err, tc.detail)
		}
	}
}
