"""MongoDB: documents, collections, indexes, codecs; the only floor that imports the driver."""
