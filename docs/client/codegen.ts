/** Writes `src/gql/`: types for every operation in `src/`, and the manifest of trusted documents. */
import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  schema: "../../schema/schema.graphql",
  documents: "src/**/*.ts",
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: "unmask" },
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      config: {
        documentMode: "string",
        importExtension: ".js",
        useTypeImports: true,
        strictScalars: true,
        scalars: { ID: "string", Date: "string", DateTime: "string", JSON: "unknown" },
      },
    },
  },
};

export default config;
