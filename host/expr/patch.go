package expr

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// patcher replaces, in an expression's syntax tree, all that could take long
// or behaves unlike JSON with calls of this package's own functions, which
// get the guard as their first argument:
//
//   - operators, member access, slices, literals of lists and objects;
//   - calls of functions and methods;
//   - the body of each closure, so that each turn of a loop counts;
//   - conditions, so that null is false and anything but true and false is a
//     clear error.
type patcher struct {
	err *Error
	// names are the identifiers seen that no call was made of.
	names map[*ast.IdentifierNode]bool
}

func (p *patcher) fail(n ast.Node, hint, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{Message: fmt.Sprintf(format, args...), Hint: hint, from: n.Location().From}
	}
}

// Visit is called for each node after its children.
func (p *patcher) Visit(node *ast.Node) {
	at := (*node).Location()
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			p.fail(n, "name what you need, such as input or flow", "$env is not available")
		}
		p.names[n] = true
	case *ast.BytesNode:
		p.fail(n, "write text in plain quotes", "bytes are not available")
	case *ast.IntegerNode:
		ast.Patch(node, &ast.ConstantNode{Value: int64(n.Value)})
	case *ast.MemberNode:
		ast.Patch(node, call(at, "get", n.Node, n.Property))
	case *ast.SliceNode:
		ast.Patch(node, call(at, "slice", n.Node, orNil(n.From), orNil(n.To)))
	case *ast.ArrayNode:
		ast.Patch(node, call(at, "new", n))
	case *ast.MapNode:
		for _, pair := range n.Pairs {
			if pair := pair.(*ast.PairNode); !isText(pair.Key) {
				pair.Key = call(at, "key", pair.Key)
			}
		}
		ast.Patch(node, call(at, "new", n))
	case *ast.ConditionalNode:
		n.Cond = condition(n.Cond)
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			n.Node = condition(n.Node)
		} else {
			ast.Patch(node, call(at, "unary "+n.Operator, n.Node))
		}
	case *ast.BinaryNode:
		p.binary(node, n)
	case *ast.CallNode:
		p.call(node, n)
	case *ast.BuiltinNode:
		p.closure(node, n)
	}
}

// finish refuses functions that are named but not called.
func (p *patcher) finish() {
	for n := range p.names {
		for _, f := range functions() {
			if n.Value == f.name {
				p.fail(n, "call it, as in "+f.name+"(input.name)", "%s is a function", f.name)
			}
		}
	}
}

func (p *patcher) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "and", "&&", "or", "||":
		n.Left, n.Right = condition(n.Left), condition(n.Right)
		return
	case "??":
		return
	case "matches":
		if pattern, ok := n.Right.(*ast.StringNode); ok {
			compiled, err := newPattern(pattern.Value)
			if err != nil {
				p.fail(pattern, "see the syntax of Go's regular expressions (RE2)", "%v", err)
				return
			}
			constant := &ast.ConstantNode{Value: compiled}
			constant.SetLocation(pattern.Location())
			n.Right = constant
		}
	}
	name := n.Operator
	if name == "^" {
		name = "**"
	}
	ast.Patch(node, call(n.Location(), name, n.Left, n.Right))
}

func (p *patcher) call(node *ast.Node, n *ast.CallNode) {
	switch callee := n.Callee.(type) {
	case *ast.IdentifierNode:
		if slices.Contains(Names(), callee.Value) {
			p.fail(n, "write it without the brackets", "%s is a value, not a function", callee.Value)
		}
		// Also for unknown names: the library reports those.
		delete(p.names, callee)
		n.Arguments = slices.Insert(n.Arguments, 0, guardNode(n.Location()))
		return
	case *ast.CallNode: // value.method(...), of which value.method is patched already
		if ident, ok := callee.Callee.(*ast.IdentifierNode); ok && ident.Value == "\x00get" {
			args := append(slices.Clone(callee.Arguments[1:]), n.Arguments...)
			ast.Patch(node, call(n.Location(), "method", args...))
			return
		}
	}
	p.fail(n, "call functions by their names, as in upper(input.name)", "this can't be called")
}

// closure patches the functions that take a closure: the list is checked, the
// closure counts its turns, and what the library would do without counting is
// done by one of our functions.
func (p *patcher) closure(node *ast.Node, n *ast.BuiltinNode) {
	at := n.Location()
	n.Arguments[0] = call(at, "list", n.Arguments[0])
	body := func(i int) *ast.PredicateNode {
		predicate, ok := n.Arguments[i].(*ast.PredicateNode)
		if !ok {
			p.fail(n.Arguments[i], "write an expression over #, such as # > 1", "%s needs a closure here", n.Name)
			return &ast.PredicateNode{Node: &ast.NilNode{}}
		}
		return predicate
	}
	switch n.Name {
	case "all", "none", "any", "one", "filter", "find", "findIndex", "count":
		if len(n.Arguments) == 1 { // count(list)
			predicate := &ast.PredicateNode{Node: pointer(at)}
			predicate.SetLocation(at)
			n.Arguments = append(n.Arguments, predicate)
		}
		b := body(1)
		b.Node = condition(b.Node)
	case "findLast", "findLastIndex":
		// The library's own loops backwards leave values on its stack.
		b := body(1)
		b.Node = condition(b.Node)
		if n.Name == "findLast" {
			n.Name = "filter"
			ast.Patch(node, call(at, "get", n, &ast.ConstantNode{Value: int64(-1)}))
		} else {
			ast.Patch(node, call(at, "lastTrue", mapping(at, n.Arguments[0], b)))
		}
	case "map", "reduce":
		b := body(1)
		b.Node = call(b.Node.Location(), "turn", b.Node)
	case "groupBy":
		b := body(1)
		b.Node = call(b.Node.Location(), "key", b.Node)
		ast.Patch(node, call(at, "groups", n))
	case "sum":
		if len(n.Arguments) == 2 {
			b := body(1)
			b.Node = call(b.Node.Location(), "turn", b.Node)
			ast.Patch(node, call(at, "sum", mapping(at, n.Arguments[0], b)))
		} else {
			ast.Patch(node, call(at, "sum", n.Arguments[0]))
		}
	case "sortBy":
		b := body(1)
		pair := &ast.ArrayNode{Nodes: []ast.Node{pointer(at), b.Node}}
		pair.SetLocation(at)
		b.Node = call(at, "new", pair)
		args := append([]ast.Node{mapping(at, n.Arguments[0], b)}, n.Arguments[2:]...)
		ast.Patch(node, call(at, "sortBy", args...))
	default:
		p.fail(n, "use another function", "%s is not available", n.Name)
	}
}

// call makes a call of the internal function with this name.
func call(at file.Location, name string, args ...ast.Node) ast.Node {
	callee := &ast.IdentifierNode{Value: "\x00" + name}
	callee.SetLocation(at)
	n := &ast.CallNode{Callee: callee, Arguments: append([]ast.Node{guardNode(at)}, args...)}
	n.SetLocation(at)
	return n
}

func guardNode(at file.Location) ast.Node {
	n := &ast.IdentifierNode{Value: guardName}
	n.SetLocation(at)
	return n
}

func condition(n ast.Node) ast.Node { return call(n.Location(), "test", n) }

func pointer(at file.Location) ast.Node {
	n := &ast.PointerNode{}
	n.SetLocation(at)
	return n
}

func mapping(at file.Location, list, predicate ast.Node) ast.Node {
	n := &ast.BuiltinNode{Name: "map", Arguments: []ast.Node{list, predicate}}
	n.SetLocation(at)
	return n
}

func orNil(n ast.Node) ast.Node {
	if n == nil {
		return &ast.NilNode{}
	}
	return n
}

func isText(n ast.Node) bool {
	_, ok := n.(*ast.StringNode)
	return ok
}

// pattern is a regular expression with its size, by which the cost of a match
// is bounded: text length times size.
type pattern struct {
	*regexp.Regexp
	size int
}

func newPattern(text string) (*pattern, error) {
	const maxPattern = 1000
	if len(text) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, over the limit of %d", len(text), maxPattern)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("bad pattern: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return &pattern{re, patternSize(text)}, nil
}
