package socketgateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

func TestEveryExportedNameIsDocumented(t *testing.T) {
	files := token.NewFileSet()
	names := 0
	documented := func(name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		names++
		for _, doc := range docs {
			if doc.Text() != "" {
				return
			}
		}
		t.Errorf("%v: %s has no comment", files.Position(name.Pos()), name.Name)
	}
	for _, entry := range ok(os.ReadDir("."))(t) {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file := ok(parser.ParseFile(files, entry.Name(), nil, parser.ParseComments))(t)
		for _, declaration := range file.Decls {
			switch declaration := declaration.(type) {
			case *ast.FuncDecl:
				// The methods of types that are not exported are known by the interface they fulfil.
				if declaration.Recv == nil || ast.IsExported(receiver(declaration)) {
					documented(declaration.Name, declaration.Doc)
				}
			case *ast.GenDecl:
				for _, spec := range declaration.Specs {
					switch spec := spec.(type) {
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							documented(name, spec.Doc, spec.Comment, declaration.Doc)
						}
					case *ast.TypeSpec:
						documented(spec.Name, spec.Doc, declaration.Doc)
						if fields, is := spec.Type.(*ast.StructType); is && spec.Name.IsExported() {
							for _, field := range fields.Fields.List {
								for _, name := range field.Names {
									documented(name, field.Doc, field.Comment)
								}
							}
						}
					}
				}
			}
		}
	}
	if names < 150 {
		t.Errorf("only %d names were looked at", names)
	}
}

func receiver(method *ast.FuncDecl) string {
	of := method.Recv.List[0].Type
	if pointer, is := of.(*ast.StarExpr); is {
		of = pointer.X
	}
	if name, is := of.(*ast.Ident); is {
		return name.Name
	}
	return ""
}
