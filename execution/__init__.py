"""Compiled operations: a GraphQL executor over any graphql-core schema, exact to graphql-core.

An operation is made ready once, in four phases, and run many times:

1. `analysis`: which fields are read from their parents, which are called, where the levels are;
2. `plan`: the outcome, as data that can be printed;
3. `builders`: what completes values without resolvers, as closures, then as generated Python;
4. `running` calls the rest level by level, all parents at once; `completing` completes its values.

Compiled code takes only values for which graphql-core would answer the same. Whatever else comes is
completed by graphql-core itself, at its path; operations that use something that is not compiled
are executed by it as a whole. `execution` knows nothing of users.
"""

from execution.cache import OperationCache, PreparedOperation
from execution.executor import compiled_executor
from execution.operation import CompiledOperation, compile_operation, execute
from execution.plan import UnsupportedOperation, by_class

__all__ = [
    "CompiledOperation",
    "OperationCache",
    "PreparedOperation",
    "UnsupportedOperation",
    "by_class",
    "compile_operation",
    "compiled_executor",
    "execute",
]
