package main

import "testing"

// LICENCES.md lists every dependency with its licence.
func TestFile(t *testing.T) {
	t.Chdir("../..")
	if err := run(true); err != nil {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n  Version 2.0, January 2004":                                                          "Apache-2.0",
		"// Permission is hereby granted, free of charge,\n// to any person obtaining a copy of this software": "MIT",
		"Redistributions in binary form must reproduce the above\n * " +
			"copyright notice": "BSD-2-Clause",
		"Redistributions in binary form must reproduce the above copyright notice …" +
			" endorse or promote products derived from this software without specific prior written permission": "BSD-3-Clause",
		"GNU AFFERO GENERAL PUBLIC LICENSE Version 3": "",
	} {
		if got, err := classify(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, error %v, want %q", text, got, err, want)
		}
	}
}
