module productindex

go 1.26.0
