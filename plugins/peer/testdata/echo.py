# Prints its arguments, by way of a package from Debian, so that importing is seen.
import sys
from lxml import etree
import zeep

print(zeep.__name__, etree.fromstring(f"<a>{sys.argv[1]}</a>").text)
